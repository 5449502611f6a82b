// Who changed which parameter when, and the way back.

import type { ParameterChange } from "../api/types";
import { clock } from "../shell/time";
import { isSame, shown } from "./ControlsValues";

interface ChangesOf {
  changes: ParameterChange[];
  /** The present value by address. */
  now: Map<string, unknown>;
  mayTurn: boolean;
  onUndo: (before: Record<string, unknown>) => void;
}

export function Changes({ changes, now, mayTurn, onUndo }: ChangesOf) {
  if (changes.length === 0) return <p className="hint">Nothing was changed in this run.</p>;
  return (
    <details open>
      <summary>Changes in this run</summary>
      <div className="scrolls" tabIndex={0} role="region" aria-label="table of changes">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">when</th>
              <th scope="col">who</th>
              <th scope="col" className="number">from event</th>
              <th scope="col">what</th>
              <th scope="col">
                <span className="unseen">undo</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {changes.toReversed().map((each) => {
              const before = each.before ?? {};
              const back = Object.fromEntries(Object.entries(before).filter(([address, value]) => !isSame(now.get(address), value)));
              return (
                <tr key={each.revision}>
                  <td>{clock(each.when)}</td>
                  <td>{each.who || "nobody said"}</td>
                  <td className="number">{each.from_event}</td>
                  <td>
                    {Object.entries(each.values).map(([address, value]) => (
                      <div key={address}>
                        {address}: {shown(before[address])} → <strong>{shown(value)}</strong>
                      </div>
                    ))}
                  </td>
                  <td>
                    <button
                      type="button"
                      disabled={!mayTurn || Object.keys(back).length === 0}
                      aria-label={`Undo revision ${each.revision}`}
                      title="Sets what it changed to what it was before"
                      onClick={() => onUndo(back)}
                    >
                      Undo
                    </button>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </div>
    </details>
  );
}
