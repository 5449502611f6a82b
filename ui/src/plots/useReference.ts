// A reference to compare with, read when it is wanted.

import { useEffect, useState } from "react";

import { get, getRaw } from "../api/http";
import type { About, View } from "../api/types";
import { handOut } from "../data/handing";
import { MOST_BYTES } from "../data/levels";
import { numbers, type Numbers } from "../data/numbers";
import { keepReference, reference, references, type Reference } from "../data/references";
import { clock } from "../shell/time";
import { useScene } from "./scene";

export interface Earlier {
  label: string;
  values: Numbers;
  shape: number[];
  every: number;
}

export function useReference(view: string, label: string): Earlier | null {
  const { pipeline } = useScene();
  const [found, setFound] = useState<Reference | null>(null);
  useEffect(() => {
    if (label === "") return;
    let isWanted = true;
    reference(pipeline, view, label).then(
      (each) => isWanted && setFound(each),
      () => undefined, // a browser that keeps nothing
    );
    return () => {
      isWanted = false;
    };
  }, [pipeline, view, label]);
  const [read, setRead] = useState<[Reference, Earlier | null] | null>(null);
  if (found === null || label === "" || found.label !== label || found.view !== view) return null;
  if (read?.[0] === found) return read[1];
  const values = numbers(found.dtype, found.data);
  const earlier = values && { label, values, shape: found.shape, every: found.every };
  setRead([found, earlier]);
  return earlier;
}

/** Return the labels of what can be compared with; `again` asks anew. */
export function useReferences(view: string, again: number): string[] {
  const { pipeline } = useScene();
  const [labels, setLabels] = useState<string[]>([]);
  useEffect(() => {
    let isWanted = true;
    references(pipeline, view).then(
      (found) => isWanted && setLabels(found),
      () => undefined,
    );
    return () => {
      isWanted = false;
    };
  }, [pipeline, view, again]);
  return labels;
}

/** Keep how a view is now, or was at a moment in s; of more than two dimensions, the frame. Returns its label. */
export async function keepShown(pipeline: string, view: View, frame: number | null, moment: number | null): Promise<string> {
  const leading = view.shape.slice(0, -2).map((_, k) => (k === 0 && frame !== null ? frame : -1));
  const slice = view.shape.length > 2 ? [...leading, "..."].join(",") : "";
  const now = `data/${view.name}?slice=${encodeURIComponent(slice)}&max_bytes=${MOST_BYTES}`;
  const answer = await getRaw(moment === null ? now : `past/${view.name}?time=${moment}`);
  const { run } = await get<About>("run");
  const label = `${run}, ${clock(new Date(moment === null ? Date.now() : moment * 1000).toISOString())}`;
  const shape = (answer.headers.get("X-Penstock-Shape") ?? "").split(",").filter(Boolean).map(Number);
  const dtype = answer.headers.get("X-Penstock-Dtype") ?? view.dtype;
  const every = Number(answer.headers.get("X-Penstock-Every") ?? 1);
  const kept = { pipeline, view: view.name, label, shape, dtype, every, data: await answer.arrayBuffer() };
  await keepReference(kept);
  handOut(kept);
  return label;
}
