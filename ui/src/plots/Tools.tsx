// What can be set of a plot, as a form: only what makes a difference for its kind.

import "./tools.css";

import { useId, type ReactNode } from "react";

import type { View } from "../api/types";
import { MAPS, type ColourRange, type ColourScale } from "../data/colours";
import { isAlong, kindOf, kindsFor, siblings } from "../data/kinds";
import { DEFAULTS, type Four, type Settings } from "../data/settings";
import type { Tool } from "./Image";
import { useAxes } from "./part";
import { RegionTools } from "./Region";
import { useScene } from "./scene";
import { useReferences } from "./useReference";

const SCALES: readonly ColourScale[] = ["linear", "log", "symlog", "sqrt"];

/** Elements that are always sent as they are. */
const NEVER_THINNED = 4096;

interface Props {
  view: View;
  settings: Settings;
  onSettings: (changed: Partial<Settings>) => void;
  tool: Tool;
  onTool: (tool: Tool) => void;
  /** Becomes another one when a reference has been kept. */
  kept: number;
}

export function Tools({ view, settings, onSettings, tool, onTool, kept }: Props) {
  const earlier = useReferences(view.name, kept);
  const { views } = useScene();
  const whole = useAxes(view); // whether it is a table depends on what its columns are called
  const kinds = kindsFor(whole, views);
  const kind = settings.kind ?? kindOf(whole, views);
  const isImage = kind === "image" || kind === "stack";
  const isCurve = kind === "series" || kind === "curve" || kind === "histogram";
  const isLines = isCurve || kind === "lines";
  const hasColours = isImage || kind === "scatter";
  const beside = siblings(view, views);
  const masks = views.filter((each) => each.name !== view.name && each.shape.join() === view.shape.slice(-2).join() && /[biu]/.test(each.dtype.charAt(1)));
  const elements = view.shape.slice(isCurve ? -1 : -2).reduce((product, each) => product * each, 1);
  const others = views.filter((each) => each.name !== view.name && isAlong(each, view));
  return (
    <form className="plot-tools" aria-label={`settings of ${view.name}`} onSubmit={(event) => event.preventDefault()}>
      {kinds.length > 1 && (
        <Choice name="drawn as" value={kind} choices={kinds} onChange={(chosen) => onSettings({ kind: chosen === kinds[0] ? null : chosen })} />
      )}
      {hasColours && (
        <>
          <Choice name="colours" value={settings.map} choices={MAPS} onChange={(map) => onSettings({ map })} />
          <Check name="reversed" value={settings.invert} onChange={(invert) => onSettings({ invert })} />
        </>
      )}
      {hasColours && <Choice name="scale" value={settings.scale} choices={SCALES} onChange={(scale) => onSettings({ scale })} />}
      {isLines && <Check name="logarithmic" value={settings.scale === "log"} onChange={(is) => onSettings({ scale: is ? "log" : "linear" })} />}
      {(hasColours || isLines) && <RangeChoice range={settings.range} onChange={(range) => onSettings({ range })} hasRobust={hasColours} />}
      {isImage && (
        <>
          <Choice name="pixels" value={settings.aspect ?? "by unit"} choices={["by unit", "equal", "fill"]} onChange={(aspect) => onSettings({ aspect: aspect === "by unit" ? null : (aspect) })} />
          <Check name="first row on top" value={settings.down} onChange={(down) => onSettings({ down })} />
          {masks.length > 0 && (
            <Choice name="mask" value={settings.mask} choices={["", ...masks.map(({ name }) => name)]} onChange={(mask) => onSettings({ mask })} />
          )}
        </>
      )}
      {kind === "stack" && <Frame view={view} frame={settings.frame} onChange={(frame) => onSettings({ frame })} />}
      {(isImage || isLines) && elements > NEVER_THINNED && (
        <Choice name="where thinned" value={settings.fewer ?? "by itself"} choices={["by itself", "mean", "max", "min"]} onChange={(fewer) => onSettings({ fewer: fewer === "by itself" ? null : (fewer) })} />
      )}
      {kind === "scatter" &&
        (["x", "y"] as const).map((axis) => (
          <Choice key={axis} name={`${axis} from`} value={settings[axis]} choices={["", ...beside.map(({ name }) => name)]} onChange={(name) => onSettings({ [axis]: name })} />
        ))}
      {isCurve && others.length > 0 && (
        <Choice
          name="draw over"
          value=""
          choices={["", ...others.map(({ name }) => name).filter((name) => !settings.over.includes(name))]}
          onChange={(name) => name !== "" && onSettings({ over: [...settings.over, name] })}
        />
      )}
      {settings.over.map((name) => (
        <button type="button" key={name} onClick={() => onSettings({ over: settings.over.filter((each) => each !== name) })} aria-label={`do not draw ${name} over it`}>
          {name} ×
        </button>
      ))}
      {isImage && (
        <Four name="profile" what="x0, y0, x1, y1" four={settings.line} isActive={tool === "line"} onActive={(is) => onTool(is ? "line" : "look")} onChange={(line) => onSettings({ line })} />
      )}
      {(isImage || isCurve) && (
        <Four
          name="region"
          what={isImage ? "row, to row, column, to column" : "from, to"}
          four={settings.roi}
          isActive={tool === "region"}
          onActive={(is) => onTool(is ? "region" : "look")}
          onChange={(roi) => onSettings({ roi })}
        />
      )}
      {settings.roi && (isImage || isCurve) && <RegionTools view={view} roi={settings.roi} settings={settings} onSettings={onSettings} />}
      {(isImage || isCurve) && earlier.length > 0 && (
        <Choice name="compare with" value={settings.ref} choices={["", ...earlier]} onChange={(ref) => onSettings({ ref })} />
      )}
      {isImage && settings.ref !== "" && (
        <Choice name="as" value={settings.compare} choices={["difference", "ratio"]} onChange={(compare) => onSettings({ compare })} />
      )}
      <button type="button" onClick={() => onSettings({ ...DEFAULTS })}>
        as by default
      </button>
    </form>
  );
}

function Choice<T extends string>({ name, value, choices, onChange }: { name: string; value: T; choices: readonly T[]; onChange: (chosen: T) => void }) {
  return (
    <label>
      {name}{" "}
      <select value={value} onChange={(event) => onChange(event.target.value as T)}>
        {choices.map((each) => (
          <option key={each} value={each}>
            {each || "–"}
          </option>
        ))}
      </select>
    </label>
  );
}

function Check({ name, value, onChange }: { name: string; value: boolean; onChange: (is: boolean) => void }) {
  return (
    <label>
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.target.checked)} /> {name}
    </label>
  );
}

function RangeChoice({ range, onChange, hasRobust }: { range: ColourRange; onChange: (range: ColourRange) => void; hasRobust: boolean }) {
  const fixed = typeof range === "string" ? null : range;
  const end = (k: 0 | 1, text: string) => {
    const value = Number(text);
    if (fixed === null || text.trim() === "" || !Number.isFinite(value)) return;
    const next: [number, number] = [...fixed];
    next[k] = value;
    if (next[0] < next[1]) onChange(next);
  };
  return (
    <>
      <Choice
        name="range"
        value={fixed ? "fixed" : (range as string)}
        choices={["auto", ...(hasRobust ? ["robust"] : []), "fixed"]}
        onChange={(chosen) => onChange(chosen === "fixed" ? (fixed ?? [0, 1]) : (chosen as "auto"))}
      />
      {fixed && (
        <>
          <NumberField name="from" value={fixed[0]} onChange={(text) => end(0, text)} />
          <NumberField name="to" value={fixed[1]} onChange={(text) => end(1, text)} />
        </>
      )}
    </>
  );
}

function NumberField({ name, value, onChange }: { name: string; value: number; onChange: (text: string) => void }) {
  return (
    <label>
      {name} <input key={value} type="number" step="any" defaultValue={value} onBlur={(event) => onChange(event.target.value)} onKeyDown={(event) => event.key === "Enter" && onChange(event.currentTarget.value)} />
    </label>
  );
}

/** Choose a frame of a stack, or follow the latest. */
export function Frame({ view, frame, onChange }: { view: View; frame: number | null; onChange: (frame: number | null) => void }) {
  const last = Math.max(0, (view.shape[0] ?? 1) - 1);
  return (
    <span className="plot-frame">
      <Labelled name={view.axes[0]?.name || "frame"}>
        <input type="range" min={0} max={last} value={frame ?? last} onChange={(event) => onChange(Number(event.target.value))} />
        <output>
          {frame ?? last} of 0…{last}
        </output>
      </Labelled>
      <Check name="the latest" value={frame === null} onChange={(is) => onChange(is ? null : last)} />
    </span>
  );
}

function Labelled({ name, children }: { name: string; children: ReactNode }) {
  return (
    <label>
      {name} {children}
    </label>
  );
}

interface FourProps {
  name: string;
  what: string;
  four: Four | null;
  isActive: boolean;
  onActive: (is: boolean) => void;
  onChange: (four: Four | null) => void;
}

/** Four numbers, drawn with the mouse or written. */
function Four({ name, what, four, isActive, onActive, onChange }: FourProps) {
  const hint = useId();
  const count = what.split(",").length;
  const written = four?.slice(0, count).map((each) => Math.round(each * 100) / 100).join(", ") ?? "";
  const take = (text: string) => {
    const found = text.split(",").map((each) => each.trim());
    const values = found.map(Number);
    if (found.length === count && found.every((each) => each !== "") && values.every(Number.isFinite)) onChange([...values, 0, 1].slice(0, 4) as Four);
    else if (text.trim() === "") onChange(null);
  };
  return (
    <span className="plot-four">
      <button type="button" aria-pressed={isActive} onClick={() => onActive(!isActive)}>
        draw {name}
      </button>
      <input key={written} aria-label={`${name}: ${what}`} aria-describedby={hint} placeholder={what} defaultValue={written} onBlur={(event) => take(event.target.value)} onKeyDown={(event) => event.key === "Enter" && take(event.currentTarget.value)} />
      {four && (
        <button type="button" onClick={() => onChange(null)} aria-label={`no ${name}`}>
          ×
        </button>
      )}
    </span>
  );
}
