// The elements themselves, a page of rows at a time.

import "./table.css";

import { useEffect, useState } from "react";

import { get } from "../api/http";
import type { View } from "../api/types";
import { short } from "../data/axis";
import { labelled, titleOf } from "../data/kinds";
import { useChange } from "../live/context";
import { isEmbedded } from "../shell/embedded";
import { useScene } from "./scene";

const ROWS = 50;
const MOST_COLUMNS = 50;

type Element = number | string | boolean | null | Element[];

export function Table({ view }: { view: View }) {
  const change = useChange({ view: view.name, slice: null, max_hz: 2 });
  const { moment } = useScene();
  const rows = view.shape[0] ?? 1;
  const pages = Math.max(1, Math.ceil(rows / ROWS));
  const [wanted, setPage] = useState<number | null>(null); // null: the last, where new ones come
  const page = Math.min(wanted ?? (view.grows ? pages - 1 : 0), pages - 1);
  const columns = Math.min(view.shape[1] ?? 1, MOST_COLUMNS);
  const [data, setData] = useState<{ from: number; rows: Element[] } | null>(null);
  const [problem, setProblem] = useState("");
  const version = change?.version;

  useEffect(() => {
    if (version === undefined) return;
    const control = new AbortController();
    const leading = ",0".repeat(Math.max(0, view.shape.length - 2));
    const slice = view.shape.length === 0 ? "" : `${page * ROWS}:${(page + 1) * ROWS}${view.shape.length > 1 ? leading + `,:${columns}` : ""}`;
    const asked = moment === null ? `data/${view.name}?slice=${encodeURIComponent(slice)}` : `past/${view.name}?time=${moment}`;
    get<{ data: Element }>(`${asked}&format=json`, control.signal).then(
      (found) => {
        const all = Array.isArray(found.data) ? found.data : [found.data];
        setProblem("");
        setData({ from: page * ROWS, rows: moment === null ? all : all.slice(page * ROWS, (page + 1) * ROWS) });
      },
      (error: unknown) => {
        if (!control.signal.aborted) setProblem((error as Error).message);
      },
    );
    return () => control.abort();
  }, [version, page, columns, view.name, view.shape.length, moment]);

  const names = view.axes[1]?.values;
  const ofRows = view.axes[0]?.values;
  return (
    <div className="fills table-plot">
      {problem !== "" && <p role="alert">{problem}</p>}
      <div className="table-scrolls" tabIndex={0} role="region" aria-label={`elements of ${titleOf(view)}`}>
        <table>
          <caption className="unseen">{titleOf(view)}</caption>
          <thead>
            <tr>
              <th scope="col">{labelled(view.axes[0]?.name || "row", view.axes[0]?.unit ?? "")}</th>
              {Array.from({ length: view.shape.length > 1 ? columns : 1 }, (_, k) => (
                <th scope="col" key={k}>
                  {view.shape.length > 1 ? String(names?.[k] ?? k) : view.unit || titleOf(view)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data?.rows.map((row, k) => (
              <tr key={data.from + k}>
                <th scope="row">{String(ofRows?.[data.from + k] ?? data.from + k)}</th>
                {(Array.isArray(row) ? row : [row]).map((each, at) => (
                  <td key={at}>{written(each)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {pages > 1 && !isEmbedded() && (
        <nav className="table-pages" aria-label="rows">
          <button type="button" disabled={page === 0} onClick={() => setPage(0)}>
            first
          </button>
          <button type="button" disabled={page === 0} onClick={() => setPage(page - 1)}>
            before
          </button>
          <span>
            rows {page * ROWS}–{Math.min(rows, (page + 1) * ROWS) - 1} of {rows}
          </span>
          <button type="button" disabled={page === pages - 1} onClick={() => setPage(page + 1)}>
            next
          </button>
          <button type="button" onClick={() => setPage(view.grows ? null : pages - 1)} aria-pressed={view.grows && wanted === null}>
            last
          </button>
        </nav>
      )}
    </div>
  );
}

function written(element: Element): string {
  if (element === null) return "missing";
  if (typeof element === "number") return short(element, 7);
  return Array.isArray(element) ? element.map(written).join(", ") : String(element);
}
