// Who commanded what, and what became of it.

import type { Schemas } from "../api/types";
import { usePoll } from "../live/poll";
import { clock } from "../shell/time";
import { shown } from "./ControlsValues";

const MOST = 50;

export function Commanded() {
  const { data, problem } = usePoll<Schemas["CommandRecord"][]>("commands", 3);
  const records = (data ?? []).slice(-MOST).reverse();
  return (
    <section className="panel" aria-labelledby="commanded-title">
      <h2 id="commanded-title">What was commanded</h2>
      {problem !== "" && <p className="hint">{problem}</p>}
      {records.length === 0 ? (
        <p className="hint">Nothing yet.</p>
      ) : (
        <div className="scrolls" tabIndex={0} role="region" aria-label="table of commands">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">when</th>
                <th scope="col">who</th>
                <th scope="col">command</th>
                <th scope="col">outcome</th>
              </tr>
            </thead>
            <tbody>
              {records.map((each) => (
                <tr key={`${each.when} ${each.id}`}>
                  <td>{clock(each.when)}</td>
                  <td>
                    {each.who || "nobody said"} <small>{each.door}</small>
                  </td>
                  <td>
                    {each.name} {each.target} {Object.keys(each.arguments).length > 0 && <small>{shown(each.arguments)}</small>}
                  </td>
                  <td className={each.outcome === "done" ? "" : "bad"}>
                    {each.outcome} {each.text !== "" && <small>{each.text}</small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}
