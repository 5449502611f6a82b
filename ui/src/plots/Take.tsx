// Take a plot away: as a picture, as text, as HDF5, as the lines of Python that fetch the same; or keep it to compare with.

import { useEffect, useRef, useState } from "react";

import { getRaw } from "../api/http";
import type { View } from "../api/types";
import type { Settings } from "../data/settings";
import { picture } from "./picture";
import { save } from "./save";
import { useScene } from "./scene";
import { keepShown } from "./useReference";

interface Props {
  view: View;
  settings: Settings;
  /** The plot on the screen. */
  plot: () => HTMLElement | null;
  onKept: (label: string) => void;
}

export function Take({ view, settings, plot, onKept }: Props) {
  const { pipeline, moment } = useScene();
  const [said, setSaid] = useState("");
  const list = useRef<HTMLDetailsElement>(null);
  const slice = view.shape.length > 2 ? [settings.frame ?? -1, ...Array<number>(view.shape.length - 3).fill(-1)].join(",") : "";
  useEffect(() => {
    const elsewhere = ({ target }: Event) => {
      if (!list.current?.contains(target as Node)) list.current?.removeAttribute("open");
    };
    document.addEventListener("pointerdown", elsewhere);
    return () => document.removeEventListener("pointerdown", elsewhere);
  }, []);
  const lines = python(view.name, slice);
  const tried = (what: () => Promise<string>) => () => {
    what().then(setSaid, (error: unknown) => setSaid((error as Error).message));
  };
  const file = (format: "csv" | "hdf5") =>
    tried(async () => {
      const asked = format === "csv" && slice !== "" ? `&slice=${slice}` : "";
      const answer = await getRaw(`files/${view.name}?format=${format}${asked}`);
      save(`${view.name}.${format === "csv" ? "csv" : "h5"}`, await answer.blob());
      return "";
    });
  return (
    <details
      className="card-take"
      ref={list}
      onKeyDown={(event) => {
        if (event.key === "Escape") list.current?.removeAttribute("open");
      }}
    >
      <summary aria-label={`take ${view.title || view.name} away`} title="take away">
        ⤓
      </summary>
      <div className="card-taken">
        <button
          type="button"
          onClick={tried(async () => {
            const drawn = plot();
            if (drawn !== null) save(`${view.name}.png`, await picture(drawn, view.title || view.name));
            return "";
          })}
        >
          picture (PNG)
        </button>
        <button type="button" onClick={file("csv")}>
          text (CSV)
        </button>
        <button type="button" onClick={file("hdf5")}>
          HDF5
        </button>
        <button
          type="button"
          onClick={tried(async () => {
            const label = await keepShown(pipeline, view, settings.frame, moment);
            onKept(label);
            return `kept: ${label}`;
          })}
        >
          keep to compare with
        </button>
        <label>
          in Python
          <textarea readOnly rows={2} value={lines} onFocus={(event) => event.target.select()} />
        </label>
        <output role="status">{said}</output>
      </div>
    </details>
  );
}

/** The two lines that fetch what a plot shows. */
export function python(view: string, slice: string): string {
  const address = new URL(".", document.baseURI).href.replace(/\/$/, "");
  return `import penstock\nvalues = penstock.connect("${address}")["${view}"][${slice || "..."}]`;
}
