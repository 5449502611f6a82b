// The report of one run: its ledger, which adds up or not, its files, and why it did not finish, if so.

import type { RunReport } from "../api/types";
import { usePoll } from "../live/poll";
import { State } from "../shell/State";
import { clock, duration } from "../shell/time";
import type { ServedRun } from "./Runs";
import { count, many } from "./PipelineText";
import { isLost, labels, total } from "./RunsLedger";

const OFTEN_S = 2;
const ENDED_S = 3600;

export function Report({ run }: { run: ServedRun }) {
  const isGoing = run.outcome === "running";
  const { data: report, problem } = usePoll<RunReport>(`runs/${encodeURIComponent(run.run)}`, isGoing ? OFTEN_S : ENDED_S);
  return (
    <section className="panel" aria-labelledby="report-title">
      <h2 id="report-title">
        {run.run} <State name={run.outcome} />
      </h2>
      {report === null ? (
        <p className="hint">{problem || "asking for its report"}</p>
      ) : (
        <>
          <p className="hint">
            began {clock(report.started)}, {isGoing ? "goes on for" : "took"} {duration(report.duration_s)}
            {Object.entries(report.notice_counts).map(([level, count]) => `, ${count} notices of level ${level}`)}
          </p>
          {report.reasons.map((each) => (
            <p key={each} className="bad">
              {each}
            </p>
          ))}
          <Ledger edges={report.edges} />
          <Files outputs={report.outputs} isGoing={isGoing} />
          <Failures failures={report.failures} dead={report.dead_letters.length} />
        </>
      )}
    </section>
  );
}

function Ledger({ edges }: { edges: RunReport["edges"] }) {
  const columns = labels(edges);
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="table of the ledger">
      <table className="plain ledger">
        <caption className="unseen">the ledger: what came over each edge, and what became of it</caption>
        <thead>
          <tr>
            <th scope="col">from</th>
            <th scope="col">to</th>
            <th scope="col" className="number">arrived</th>
            {columns.map((each) => (
              <th key={each} scope="col" className="number">
                {each}
              </th>
            ))}
            <th scope="col" className="number">in flight</th>
            <th scope="col">adds up</th>
          </tr>
        </thead>
        <tbody>
          {edges.map((edge) => (
            <tr key={`${edge.producer} ${edge.consumer}`} title={edge.remarks.join("\n")}>
              <td>{edge.producer}</td>
              <td>{edge.consumer}</td>
              <td className="number">{count(edge.arrived)}</td>
              {columns.map((each) => (
                <td key={each} className={isLost(each) && (edge.accounts[each] ?? 0) > 0 ? "number bad" : "number"}>
                  {numberOf(edge.accounts[each] ?? 0)}
                </td>
              ))}
              <td className="number">{numberOf(edge.in_flight)}</td>
              <td>{edge.arrived === total(edge) ? "yes" : <strong className="bad">no, {edge.arrived - total(edge)} off</strong>}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A number as the page of the pipeline writes it too: what is not there does not catch the eye. */
function numberOf(value: number): string {
  return value === 0 ? "·" : count(value);
}

function Files({ outputs, isGoing }: { outputs: Record<string, string>; isGoing: boolean }) {
  const files = Object.entries(outputs);
  if (files.length === 0) return <p className="hint">{isGoing ? "No file of it is complete yet." : "It has written no file."}</p>;
  return (
    <dl className="files">
      {files.map(([sink, path]) => (
        <div key={sink}>
          <dt>{sink}</dt>
          <dd>
            <code>{path}</code>{" "}
            <button type="button" className="quiet" aria-label={`Copy the path of ${sink}`} onClick={() => void navigator.clipboard.writeText(path)}>
              copy
            </button>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Failures({ failures, dead }: { failures: RunReport["failures"]; dead: number }) {
  if (failures.length === 0 && dead === 0) return null;
  return (
    <details>
      <summary className="bad">
        {[
          failures.length === 1 && "the last exception of user code",
          failures.length > 1 && `the last ${failures.length} exceptions of user code`,
          dead > 0 && many(dead, "dead letter"),
        ]
          .filter(Boolean)
          .join("; ")}
      </summary>
      {failures.map((each, k) => (
        <pre key={k}>{Object.entries(each).map(([name, value]) => `${name}: ${value ?? "none"}`).join("\n")}</pre>
      ))}
    </details>
  );
}
