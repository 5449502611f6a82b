// Every view of the run, drawn by itself.

import "./results.css";

import type { View } from "../api/types";
import { Card } from "../plots/Card";
import { useSettings } from "../plots/useSettings";
import { WithViews } from "../plots/WithViews";

export function Results() {
  return (
    <WithViews>
      {(views) => (
        <main className="results">
          {views.length === 0 && <p className="waits">Nothing has been published yet.</p>}
          {views.map((view) => (
            <Result key={view.name} view={view} />
          ))}
        </main>
      )}
    </WithViews>
  );
}

function Result({ view }: { view: View }) {
  const [settings, change] = useSettings(view.name);
  return <Card view={view} settings={settings} onSettings={change} />;
}
