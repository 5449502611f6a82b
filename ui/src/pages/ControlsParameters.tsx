// All parameters as forms: what is entered is a draft until it is applied, all of it from one event on.

import { useState } from "react";

import { send } from "../api/http";
import type { ParameterChange, Schemas } from "../api/types";
import { usePoll } from "../live/poll";
import { useMayTurn, who } from "../shell/access";
import { Said, useAct } from "../shell/act";
import { Changes } from "./ControlsChanges";
import { Field } from "./ControlsField";
import { bySection, fieldKind, isSame, read, written } from "./ControlsValues";

/** Change parameters; the answer is a sentence. */
async function set(values: Record<string, unknown>): Promise<string> {
  const change = await send<ParameterChange>("PUT", "parameters", { values, who: who() });
  return `revision ${change.revision}, from event ${change.from_event} on`;
}

export function Parameters({ hasEnded }: { hasEnded: boolean }) {
  const { data, problem, again: askValues } = usePoll<Schemas["ParameterList"]>(hasEnded ? null : "parameters", 1);
  const { data: changes, again: askChanges } = usePoll<ParameterChange[]>("parameters/changes", 2);
  const [drafts, setDrafts] = useState<Record<string, string>>({});
  const mayTurn = useMayTurn();
  const { act, isBusy, said } = useAct(() => {
    askValues();
    askChanges();
  });
  const parameters = data?.parameters ?? [];
  const drafted = parameters.filter(({ address }) => address in drafts);
  const values: Record<string, unknown> = {};
  let wrong = 0;
  for (const each of drafted) {
    const found = read(each, drafts[each.address] ?? "");
    if ("problem" in found) wrong += 1;
    else if (!isSame(found.value, each.value)) values[each.address] = found.value;
  }
  const count = Object.keys(values).length;
  const isOver = hasEnded || (problem !== "" && data !== null);
  const lastOf = (address: string) => changes?.findLast((each) => address in each.values);
  const apply = () => {
    if (wrong > 0 || count === 0 || isBusy) return;
    void act(async () => {
      const text = await set(values);
      setDrafts({});
      return text;
    });
  };
  const sections = bySection(parameters);
  if (data !== null && parameters.length === 0) return null;
  return (
    <section className="panel parameters" aria-labelledby="parameters-title">
      <h2 id="parameters-title">Parameters {data !== null && <small>revision {data.revision}</small>}</h2>
      {(hasEnded || problem !== "") && <p className="hint">{hasEnded ? "No run goes on, so nothing can be set." : problem}</p>}
      <form
        onSubmit={(event) => {
          event.preventDefault();
          apply();
        }}
      >
        <div className="sections">
          {sections.map(([section, entries]) => (
            <fieldset key={section} disabled={!mayTurn || isOver}>
              {sections.length > 1 && <legend>{section || "General"}</legend>}
              {entries.map((each) => (
                <Field
                  key={each.address}
                  parameter={each}
                  draft={drafts[each.address]}
                  change={lastOf(each.address)}
                  onDraft={(text) => {
                    setDrafts((before) => {
                      const rest = Object.fromEntries(Object.entries(before).filter(([address]) => address !== each.address));
                      return text === undefined || text === written(each.value, fieldKind(each)) ? rest : { ...rest, [each.address]: text };
                    });
                  }}
                />
              ))}
            </fieldset>
          ))}
        </div>
        {mayTurn && parameters.length > 0 && (
          <div className="row apply">
            <button type="submit" className="main" disabled={count === 0 || wrong > 0 || isBusy || isOver}>
              {count > 1 ? `Apply ${count} changes` : "Apply"}
            </button>
            <button type="button" disabled={drafted.length === 0} onClick={() => setDrafts({})}>
              Discard
            </button>
            {wrong > 0 && <span className="bad">{wrong === 1 ? "one value is not right" : `${wrong} values are not right`}</span>}
          </div>
        )}
      </form>
      <Said said={said} />
      <Changes
        changes={changes ?? []}
        now={new Map(parameters.map((each) => [each.address, each.value]))}
        mayTurn={mayTurn && !isBusy && !isOver}
        onUndo={(before) => void act(() => set(before))}
      />
    </section>
  );
}
