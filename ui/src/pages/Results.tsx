// Every view of the run, drawn by itself.

import type { View } from "../api/types";
import { usePoll } from "../live/poll";
import { Plot } from "../plots/Plot";

export function Results() {
  const { data: views, problem } = usePoll<View[]>("views", 2);
  if (views === null) return <p>{problem || "asking for the views"}</p>;
  if (views.length === 0) return <p>Nothing has been published yet.</p>;
  return (
    <main className="results">
      {views.map((view) => (
        <figure key={view.name} aria-label={view.title || view.name}>
          <figcaption>
            {view.title || view.name} <a href={`#/view/${view.name}`}>{view.name}</a>
          </figcaption>
          <div className="plot">
            <Plot view={view} />
          </div>
        </figure>
      ))}
    </main>
  );
}
