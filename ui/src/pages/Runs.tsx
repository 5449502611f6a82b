// Runs: those served here with their books, those that are recorded, and replays beside the live one.

import type { Schemas } from "../api/types";
import { usePoll } from "../live/poll";
import { NewRun } from "./RunsNew";
import { Recordings } from "./RunsRecordings";
import { Report } from "./RunsReport";
import { State } from "../shell/State";
import { clock, duration } from "../shell/time";
import { Beside } from "./RunsBeside";
import "./Runs.css";

export type ServedRun = Schemas["ServedRun"];

export function Runs({ rest }: { rest: string }) {
  const [what = "", ...names] = rest.split("/");
  const name = names.join("/");
  if (what === "beside") return <Beside name={name} />;
  return <AllRuns shown={what === "of" ? name : ""} />;
}

function AllRuns({ shown }: { shown: string }) {
  const { data, problem, again } = usePoll<ServedRun[]>("runs", 2);
  const runs = (data ?? []).toReversed();
  const chosen = runs.find((each) => each.run === shown) ?? runs[0];
  return (
    <main className="page runs" id="main" tabIndex={-1}>
      <section className="panel" aria-labelledby="runs-title">
        <h2 id="runs-title">Runs served here</h2>
        {problem !== "" && <p className="bad">{problem}</p>}
        {data !== null && runs.length === 0 && <p className="hint">None has begun yet.</p>}
        <div className="scrolls list">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">run</th>
                <th scope="col">state</th>
                <th scope="col">began</th>
                <th scope="col" className="number">took</th>
              </tr>
            </thead>
            <tbody>
              {runs.map((each) => (
                <tr key={`${each.run} ${each.began}`} aria-current={each === chosen ? "true" : undefined}>
                  <th scope="row">
                    <a href={`#/runs/of/${encodeURIComponent(each.run)}`}>{each.run}</a>
                  </th>
                  <td>
                    <State name={each.outcome} />
                  </td>
                  <td>{clock(each.began)}</td>
                  <td className="number">{each.duration_s === undefined ? "" : duration(each.duration_s)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        <NewRun again={again} />
      </section>
      {chosen !== undefined && <Report key={`${chosen.run} ${chosen.outcome}`} run={chosen} />}
      <Recordings />
    </main>
  );
}
