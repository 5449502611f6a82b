// Many plots on one screen, arranged by whoever looks at them.

import "react-grid-layout/css/styles.css";
import "react-resizable/css/styles.css";
import "./results.css";

import { useCallback, useEffect, useMemo, useState, type ReactNode, type RefObject } from "react";
import ReactGridLayout, { useContainerWidth, verticalCompactor, type Layout } from "react-grid-layout";

import type { View } from "../api/types";
import { COLUMNS, keepBoard, keptBoard, moved, read, rowPitch, set, withNew, without, withTile, written, type Board } from "../data/board";
import { isSmallKind, kindOf } from "../data/kinds";
import { fromQuery, type Settings } from "../data/settings";
import { Card } from "../plots/Card";
import { save } from "../plots/save";
import { useScene } from "../plots/scene";
import { WithViews } from "../plots/WithViews";
import { isEmbedded } from "../shell/embedded";

const GAP_PX = 8;
const NARROW_PX = 700;

export function Results() {
  return <WithViews hasPast={!isEmbedded()}>{(views, past) => <Arranged views={views} past={past} />}</WithViews>;
}

function Arranged({ views, past }: { views: readonly View[]; past: ReactNode }) {
  const { pipeline } = useScene();
  const [held, setHeld] = useState<Board>(() => keptBoard(pipeline));
  const [isArranging, setArranging] = useState(false);
  const board = useMemo(() => withNew(held, views), [held, views]);
  const change = useCallback(
    (next: Board) => {
      setHeld(next);
      keepBoard(pipeline, next);
    },
    [pipeline],
  );
  const { width, containerRef, mounted } = useContainerWidth();
  const isNarrow = width < NARROW_PX;
  const pitch = useRowPitch(board, width, containerRef, isArranging);
  const there = new Map(views.map((view) => [view.name, view]));
  const tiles = board.tiles.filter((tile) => there.has(tile.view));
  const ordered = [...tiles].sort((a, b) => a.y - b.y || a.x - b.x);
  const layout: Layout = tiles.map(({ id, x, y, w, h }) => ({ i: id, x, y, w, h, minW: 2, minH: 3 }));
  const isLine = (name: string) => {
    const view = there.get(name);
    return view !== undefined && isSmallKind(kindOf(view, views));
  };
  const shown = (tile: Board["tiles"][number]) => {
    const view = there.get(tile.view);
    return view && <Tile view={view} settings={tile.settings} onSettings={(changed) => change(set(board, tile.id, changed))} onOff={isArranging ? () => change(without(board, tile.id)) : null} />;
  };
  return (
    <main className={`results ${isArranging ? "arranging" : ""}`} id="main" tabIndex={-1}>
      {!isEmbedded() && <Bar board={board} views={views} isArranging={isArranging} onArranging={setArranging} onBoard={change} past={past} />}
      {views.length === 0 && <p className="waits">Nothing has been published yet.</p>}
      <div ref={containerRef as RefObject<HTMLDivElement>}>
        {mounted && isNarrow && ordered.map((tile) => <div className={isLine(tile.view) ? "results-narrow is-line" : "results-narrow"} key={tile.id}>{shown(tile)}</div>)}
        {mounted && !isNarrow && (
          <ReactGridLayout
            width={width}
            layout={layout}
            gridConfig={{ cols: COLUMNS, rowHeight: pitch - GAP_PX, margin: [GAP_PX, GAP_PX] }}
            dragConfig={{ enabled: isArranging, handle: ".card-title", cancel: "button, a, select, input" }}
            resizeConfig={{ enabled: isArranging }}
            compactor={verticalCompactor}
            onLayoutChange={(places: Layout) => {
              if (isArranging) change(moved(board, places));
            }}
          >
            {tiles.map((tile) => (
              <div key={tile.id} onKeyDown={isArranging ? (event) => byKey(event, board, tile.id, change) : undefined}>
                {shown(tile)}
              </div>
            ))}
          </ReactGridLayout>
        )}
      </div>
    </main>
  );
}

/** How high a row is: it follows the window, but not while somebody arranges. */
function useRowPitch(board: Board, width: number, place: { current: HTMLElement | null }, isHeld: boolean): number {
  const [room, setRoom] = useState(innerHeight);
  useEffect(() => {
    const measure = () => setRoom(innerHeight - (place.current?.getBoundingClientRect().top ?? 0) - scrollY - GAP_PX);
    const seen = new ResizeObserver(measure);
    seen.observe(document.body);
    window.addEventListener("resize", measure);
    return () => {
      seen.disconnect();
      window.removeEventListener("resize", measure);
    };
  }, [place]);
  const wanted = rowPitch(board, width, room);
  const [held, setHeld] = useState<number | null>(null);
  if (isHeld && held === null) setHeld(wanted);
  if (!isHeld && held !== null) setHeld(null);
  return held ?? wanted;
}

interface TileProps {
  view: View;
  settings: string;
  onSettings: (changed: Partial<Settings>) => void;
  onOff: (() => void) | null;
}

function Tile({ view, settings, onSettings, onOff }: TileProps) {
  const read = useMemo(() => fromQuery(new URLSearchParams(settings)), [settings]);
  return (
    <Card view={view} settings={read} onSettings={onSettings} isMoved={onOff !== null}>
      {onOff && (
        <button type="button" aria-label={`take ${view.title || view.name} off`} title="take off" onClick={onOff}>
          ×
        </button>
      )}
    </Card>
  );
}

/** Alt and arrows move a plot, with Shift they make it larger or smaller. */
function byKey(event: React.KeyboardEvent, board: Board, id: string, change: (board: Board) => void): void {
  const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const tile = board.tiles.find((each) => each.id === id);
  if (!event.altKey || step === undefined || tile === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const [right = 0, down = 0] = step;
  const { x, y, w, h } = tile;
  const place = event.shiftKey
    ? { x, y, w: Math.min(COLUMNS - x, Math.max(2, w + right)), h: Math.max(3, h + down) }
    : { x: Math.min(COLUMNS - w, Math.max(0, x + right)), y: Math.max(0, y + down), w, h };
  change(moved(board, [{ i: id, ...place }]));
}

interface BarProps {
  board: Board;
  views: readonly View[];
  isArranging: boolean;
  onArranging: (is: boolean) => void;
  onBoard: (board: Board) => void;
  /** The way back into the run's past. */
  past: ReactNode;
}

function Bar({ board, views, isArranging, onArranging, onBoard, past }: BarProps) {
  const { pipeline } = useScene();
  const [problem, setProblem] = useState("");
  useEffect(() => {
    if (!isArranging) return;
    const byEscape = (event: KeyboardEvent) => event.key === "Escape" && onArranging(false);
    window.addEventListener("keydown", byEscape);
    return () => window.removeEventListener("keydown", byEscape);
  }, [isArranging, onArranging]);
  const open = async (file: File | undefined) => {
    if (file === undefined) return;
    try {
      onBoard(read(await file.text()));
      setProblem("");
    } catch (error) {
      setProblem(`${file.name}: ${(error as Error).message}`);
    }
  };
  return (
    <div className="results-bar" role="toolbar" aria-label="arrangement">
      <button type="button" aria-pressed={isArranging} onClick={() => onArranging(!isArranging)}>
        {isArranging ? "done" : "arrange"}
      </button>
      {!isArranging && past}
      {isArranging && (
        <>
          <span className="results-hint">Drag plots by their title, or Alt and arrows; with Shift for the size.</span>
          <label>
            add{" "}
            <select value="" onChange={(event) => onBoard(withTile(board, event.target.value))}>
              <option value="">a plot of …</option>
              {views.map(({ name }) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
          <button type="button" onClick={() => onBoard(withNew({ known: [], tiles: [] }, views))}>
            as by default
          </button>
          <button type="button" onClick={() => save(`${pipeline}-board.json`, new Blob([written(pipeline, board)], { type: "application/json" }))}>
            save as a file
          </button>
          <label className="results-file">
            open a file <input type="file" accept=".json,application/json" onChange={(event) => void open(event.target.files?.[0])} />
          </label>
        </>
      )}
      <a href="#/kiosk" onClick={() => void document.documentElement.requestFullscreen().catch(() => undefined)}>
        kiosk
      </a>
      {problem !== "" && <span role="alert">{problem}</span>}
    </div>
  );
}
