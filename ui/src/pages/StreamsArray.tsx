// One array of a message: a number, a curve, an image, or a frame of a stack; text where it is text.

import { HeatmapVis, LineVis, ScaleType, getDomain } from "@h5web/lib";
import ndarray from "ndarray";
import { useEffect, useMemo, useState } from "react";

import { getRaw } from "../api/http";
import { numbers, type Numbers } from "../data/numbers";
import { bytes } from "./PipelineText";
import { inPath } from "./StreamsAddress";
import type { ArrayFacts } from "./StreamsTypes";

const MOST_BYTES = 1 << 20;
const MOST_TEXT = 4096;

type Found =
  | { is: "numbers"; values: Numbers; shape: number[]; every: number }
  | { is: "text"; text: string }
  | { is: "problem"; problem: string };

interface Asked {
  address: string;
  id: number;
  buffer: number;
  facts: ArrayFacts;
}

export function StreamsArray({ address, id, buffer, facts }: Asked) {
  const [frame, setFrame] = useState(0);
  const [isLog, setLog] = useState(false);
  const leading = Math.max(0, facts.shape.length - 2);
  const slice = leading === 0 ? "" : [frame, ...Array<number>(leading - 1).fill(0)].join(",");
  const found = useArray(`streams/array/${inPath(address)}?id=${id}&buffer=${buffer}&slice=${slice}&max_bytes=${MOST_BYTES}`);
  const frames = leading === 0 ? 1 : (facts.shape[0] ?? 1);
  return (
    <figure className="streams-array" aria-label={`array ${buffer} of message ${id}`}>
      <figcaption>
        {facts.dtype} {facts.shape.join(" × ") || "one value"}, {bytes(facts.nbytes)}
        {facts.encoding !== "" && ` of ${facts.encoding}`}
        {found?.is === "numbers" && ` · ${statistics(found.values)}`}
        {found?.is === "numbers" && found.every > 1 && ` · one for ${found.every} along each dimension`}
      </figcaption>
      {frames > 1 && (
        <label>
          frame {frame} of {frames}
          <input type="range" min={0} max={frames - 1} value={frame} onChange={(event) => setFrame(Number(event.target.value))} />
        </label>
      )}
      {found?.is === "numbers" && found.values.length > 1 && (
        <label>
          <input type="checkbox" checked={isLog} onChange={(event) => setLog(event.target.checked)} /> logarithmic
        </label>
      )}
      {found === null && <p>asking for it</p>}
      {found?.is === "problem" && <p role="alert">{found.problem}</p>}
      {found?.is === "text" && (
        <pre tabIndex={0} aria-label="text">
          {found.text}
        </pre>
      )}
      {found?.is === "numbers" && <Drawn values={found.values} shape={found.shape} isLog={isLog} />}
    </figure>
  );
}

function Drawn({ values, shape, isLog }: { values: Numbers; shape: number[]; isLog: boolean }) {
  const scaleType = isLog ? ScaleType.SymLog : ScaleType.Linear;
  const array = useMemo(() => ndarray(values, shape), [values, shape]);
  const domain = useMemo(() => getDomain(array) ?? ([0, 1] as [number, number]), [array]);
  if (values.length === 0) return <p>It is empty.</p>;
  if (shape.length === 0 || values.length === 1) return <p className="value">{values[0]}</p>;
  return (
    <div className="plot">
      {shape.length === 1 ? (
        <LineVis dataArray={array} domain={domain} scaleType={scaleType} />
      ) : (
        <HeatmapVis dataArray={array} domain={domain} scaleType={scaleType} colorMap="Viridis" aspect="equal" />
      )}
    </div>
  );
}

/** Ask for elements; null until they are there. */
function useArray(path: string): Found | null {
  const [found, setFound] = useState<{ path: string; found: Found } | null>(null);
  useEffect(() => {
    const control = new AbortController();
    ask(path, control.signal)
      .catch((error: unknown): Found => ({ is: "problem", problem: (error as Error).message }))
      .then((answer) => {
        if (!control.signal.aborted) setFound({ path, found: answer });
      })
      .catch(() => undefined);
    return () => control.abort();
  }, [path]);
  return found?.path === path ? found.found : null;
}

async function ask(path: string, signal: AbortSignal): Promise<Found> {
  const answer = await getRaw(path, signal);
  const dtype = answer.headers.get("X-Penstock-Dtype") ?? "";
  const written = answer.headers.get("X-Penstock-Shape") ?? "";
  const data = await answer.arrayBuffer();
  if (dtype === "|u1" && written.split(",").length === 1) {
    const text = plainText(data);
    if (text !== null) return { is: "text", text };
  }
  const values = numbers(dtype, data);
  if (values === null) {
    const { data: said } = (await (await getRaw(`${path}&format=json`, signal)).json()) as { data: unknown };
    return { is: "text", text: JSON.stringify(said, null, 1).slice(0, MOST_TEXT) };
  }
  const shape = written === "" ? [] : written.split(",").map(Number);
  return { is: "numbers", values, shape, every: Number(answer.headers.get("X-Penstock-Every") ?? "1") };
}

/** Return bytes as text if they are some; JSON is written over several lines. */
export function plainText(data: ArrayBuffer): string | null {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(data);
  } catch {
    return null;
  }
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2).slice(0, MOST_TEXT);
  } catch {
    return text.slice(0, MOST_TEXT);
  }
}

function statistics(values: Numbers): string {
  let [low, high, sum, number] = [Infinity, -Infinity, 0, 0];
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
    sum += value;
    number += 1;
  }
  if (number === 0) return "no finite number";
  return `${low.toPrecision(5)} to ${high.toPrecision(5)}, mean ${(sum / number).toPrecision(5)}`;
}
