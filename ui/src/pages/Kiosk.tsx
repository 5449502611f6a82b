// For a wall: the plots of the board one after the other, and nothing to touch. `#/kiosk?every=10&together=4`

import "./kiosk.css";

import { useEffect, useMemo, useState } from "react";

import type { View } from "../api/types";
import { keptBoard, withNew, type Tile } from "../data/board";
import { titleOf } from "../data/kinds";
import { fromQuery } from "../data/settings";
import { useLink } from "../live/context";
import { Plot } from "../plots/Plot";
import { useScene } from "../plots/scene";
import { WithViews } from "../plots/WithViews";

const LEAST_S = 1;

export function Kiosk({ place }: { place: string }) {
  useEffect(() => {
    const leave = (event: KeyboardEvent) => {
      if (event.key === "Escape") location.hash = "#/";
    };
    window.addEventListener("keydown", leave);
    return () => window.removeEventListener("keydown", leave);
  }, []);
  return <WithViews>{(views) => <Cycle views={views} query={new URLSearchParams(place.split("?")[1])} />}</WithViews>;
}

function Cycle({ views, query }: { views: readonly View[]; query: URLSearchParams }) {
  const { pipeline } = useScene();
  const link = useLink();
  const every_s = Math.max(LEAST_S, Number(query.get("every")) || 10);
  const together = Math.min(12, Math.max(1, Math.floor(Number(query.get("together"))) || 1));
  const [kept] = useState(() => keptBoard(pipeline));
  const there = useMemo(() => new Map(views.map((view) => [view.name, view])), [views]);
  const tiles = withNew(kept, views).tiles.filter((tile) => there.has(tile.view)).sort((a, b) => a.y - b.y || a.x - b.x);
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setTurn((before) => before + 1), every_s * 1000);
    return () => clearInterval(timer);
  }, [every_s]);
  const pages = Math.max(1, Math.ceil(tiles.length / together));
  const first = (turn % pages) * together;
  const columns = Math.ceil(Math.sqrt(together));
  return (
    <main className="kiosk" id="main" tabIndex={-1} style={{ gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))` }} aria-label="results, one after the other">
      {tiles.slice(first, first + together).map((tile) => (
        <Shown key={tile.id} tile={tile} view={there.get(tile.view) as View} />
      ))}
      {tiles.length === 0 && <p className="waits">Nothing has been published yet.</p>}
      {link.is === "gone" && <p className="kiosk-old" role="status">not connected: what is shown is old</p>}
    </main>
  );
}

function Shown({ tile, view }: { tile: Tile; view: View }) {
  const settings = useMemo(() => fromQuery(new URLSearchParams(tile.settings)), [tile.settings]);
  return (
    <figure className="kiosk-plot" aria-label={titleOf(view)}>
      <figcaption>{titleOf(view)}</figcaption>
      <div className="plot">
        <Plot view={view} settings={settings} onSettings={() => undefined} />
      </div>
    </figure>
  );
}
