// How long each step takes, and how many messages and files pass each room in a second.

import { count, perSecond, seconds } from "./PipelineText";
import type { Delay, Rate } from "./PipelineTypes";

export function PipelineDelays({ delays }: { delays: Delay[] }) {
  return (
    <section aria-label="delays">
      <h2>Delays</h2>
      <div className="scrolls" tabIndex={0} role="region" aria-label="table of delays">
        <table>
          <thead>
            <tr>
              {["from → until", "count", "mean", "half take less", "99 of 100 take less", "longest"].map((each) => (
                <th key={each} scope="col">
                  {each}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {delays.map((each) => (
              <tr key={each.what}>
                <th scope="row">{each.what}</th>
                <td>{count(each.count)}</td>
                <td>{seconds(each.mean_s)}</td>
                <td>{seconds(each.p50_s)}</td>
                <td>{seconds(each.p99_s)}</td>
                <td>{seconds(each.max_s)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

export function PipelineRates({ rates, isOver }: { rates: Rate[]; isOver: boolean }) {
  const hasFiles = rates.some((each) => each.files !== null);
  return (
    <section aria-label="rates">
      <h2>Rates</h2>
      <div className="scrolls" tabIndex={0} role="region" aria-label="table of rates">
        <table>
          <thead>
            <tr>
              <th scope="col">at</th>
              <th scope="col">messages</th>
              {!isOver && <th scope="col">now</th>}
              <th scope="col">on average</th>
              <th scope="col">gives for each</th>
              {hasFiles && <th scope="col">files read</th>}
              {hasFiles && <th scope="col">files/s</th>}
            </tr>
          </thead>
          <tbody>
            {rates.map((each) => (
              <tr key={each.name}>
                <th scope="row">
                  {each.kind} {each.name}
                </th>
                <td>{count(each.came)}</td>
                {!isOver && <td>{perSecond(each.recent_per_s)}</td>}
                <td>{perSecond(each.per_s)}</td>
                <td>{each.gave_per_item === null ? "·" : each.gave_per_item.toPrecision(3)}</td>
                {hasFiles && <td>{each.files === null ? "·" : count(each.files)}</td>}
                {hasFiles && <td>{each.files_per_s === null ? "·" : perSecond(each.files_per_s)}</td>}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
