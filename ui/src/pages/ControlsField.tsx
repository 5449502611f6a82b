// One parameter: its name, a field of its kind, its unit, its bounds, what it is for, and who changed it last.

import { useId } from "react";

import type { Parameter, ParameterChange } from "../api/types";
import { clock } from "../shell/time";
import { boundsText, fieldKind, isSame, mayBeNone, read, shown, written } from "./ControlsValues";

interface Entry {
  parameter: Parameter;
  /** What was entered and not applied; undefined: nothing. */
  draft: string | undefined;
  change: ParameterChange | undefined;
  onDraft: (text: string | undefined) => void;
}

export function Field({ parameter, draft, change, onDraft }: Entry) {
  const field = useId();
  const help = useId();
  const kind = fieldKind(parameter);
  const text = draft ?? written(parameter.value, kind);
  const found = read(parameter, text);
  const problem = draft !== undefined && "problem" in found ? found.problem : "";
  const [stage, ...rest] = parameter.address.split(".");
  const facts = [boundsText(parameter.bounds), isSame(parameter.value, parameter.default) ? "" : `default ${shown(parameter.default)}`];
  return (
    <div className={draft === undefined ? "field" : "field drafted"}>
      <label htmlFor={field}>
        {rest.join(".")} <small>{stage}</small>
      </label>
      <span className="entry">
        <Input parameter={parameter} id={field} help={help} text={text} isWrong={problem !== ""} onDraft={onDraft} />
        {parameter.unit !== "" && <span className="unit">{parameter.unit}</span>}
        {draft !== undefined && (
          <button type="button" className="quiet" aria-label={`Leave ${parameter.address} as it is`} onClick={() => onDraft(undefined)}>
            ×
          </button>
        )}
      </span>
      <span id={help} className="hint">
        {problem !== "" && <strong className="bad">{problem}. </strong>}
        {draft !== undefined && <>now {shown(parameter.value)}. </>}
        {[parameter.doc, ...facts].filter((each) => each !== "").join(" · ")}
        {change !== undefined && (
          <>
            {" · "}
            <em>
              set by {change.who || "somebody"} at {clock(change.when)}
            </em>
          </>
        )}
      </span>
    </div>
  );
}

interface InputOf {
  parameter: Parameter;
  id: string;
  help: string;
  text: string;
  isWrong: boolean;
  onDraft: (text: string) => void;
}

function Input({ parameter, id, help, text, isWrong, onDraft }: InputOf) {
  const kind = fieldKind(parameter);
  const same = { id, "aria-describedby": help, "aria-invalid": isWrong };
  const placeholder = mayBeNone(parameter) ? "none" : undefined;
  switch (kind) {
    case "choice":
      return (
        <select {...same} value={text} onChange={(event) => onDraft(event.target.value)}>
          {mayBeNone(parameter) && <option value="">none</option>}
          {parameter.choices.map((each) => (
            <option key={JSON.stringify(each)} value={written(each, kind)}>
              {shown(each)}
            </option>
          ))}
        </select>
      );
    case "switch":
      return <input {...same} type="checkbox" role="switch" checked={text === "true"} onChange={(event) => onDraft(String(event.target.checked))} />;
    case "whole":
    case "number":
      return (
        <input
          {...same}
          inputMode={kind === "whole" ? "numeric" : "decimal"}
          value={text}
          placeholder={placeholder}
          autoComplete="off"
          onChange={(event) => onDraft(event.target.value)}
          onKeyDown={(event) => {
            const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
            if (by === undefined || kind !== "whole") return;
            event.preventDefault();
            onDraft(String(Math.round(Number(text) || 0) + by));
          }}
        />
      );
    case "text":
      return <input {...same} value={text} placeholder={placeholder} autoComplete="off" onChange={(event) => onDraft(event.target.value)} />;
    case "json":
      return (
        <textarea {...same} rows={text.length > 60 ? 4 : 1} value={text} placeholder={placeholder} spellCheck={false} onChange={(event) => onDraft(event.target.value)} />
      );
  }
}
