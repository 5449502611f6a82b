// One plot, with an address of its own: `#/view/STAGE/PATH?map=Inferno`; with `embed=1` nothing beside it.

import "./view.css";

import type { ReactNode } from "react";

import { Card } from "../plots/Card";
import { Plot } from "../plots/Plot";
import { useAddressed } from "../plots/useSettings";
import { WithViews } from "../plots/WithViews";
import type { View } from "../api/types";
import { isEmbedded } from "../shell/embedded";

/** From here on there is room for what can be set above the plot. */
const WIDE_PX = 700;

export function ViewPage({ place }: { place: string }) {
  const [path = "", query = ""] = place.split("?");
  const name = decodeURIComponent(path.split("/").slice(1).join("/"));
  return (
    <WithViews hasPast={!isEmbedded()}>
      {(views, past) => {
        const view = views.find((each) => each.name === name);
        if (view === undefined) return (
            <p className="page">
              {views.length ? `There is no view ${name}, or not yet.` : "Nothing has been published yet."} {!isEmbedded() && <a href="#/">all results</a>}
            </p>
          );
        return <One key={name} view={view} query={query} past={past} />;
      }}
    </WithViews>
  );
}

function One({ view, query, past }: { view: View; query: string; past: ReactNode }) {
  const [settings, change] = useAddressed(view.name, query);
  if (isEmbedded()) {
    return (
      <main className="view-page plot" aria-label={view.title || view.name}>
        <Plot view={view} settings={settings} onSettings={change} />
      </main>
    );
  }
  return (
    <main className="view-page" id="main" tabIndex={-1}>
      <div className="view-bar">
        <a href="#/">all results</a>
        {past}
      </div>
      <Card view={view} settings={settings} onSettings={change} isOpen={innerWidth >= WIDE_PX} />
    </main>
  );
}
