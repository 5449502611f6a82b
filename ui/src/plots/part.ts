// Parts of views for plots: as they come, with what axes they run over.

import { useEffect, useMemo, useState, type RefObject } from "react";

import { get, getRaw } from "../api/http";
import type { View } from "../api/types";
import { numbers, type Numbers } from "../data/numbers";
import type { Change, Wish } from "../live/changes";
import { useChanges } from "../live/context";
import { useScene } from "./scene";

export interface Part {
  change: Change;
  values: Numbers;
  shape: number[];
  every: number;
}

/** Follow a part of a view, read; `null` until it is there, or where nothing is wished for. */
export function usePart(wish: Wish | null): { part: Part | null; problem: string } {
  const change = useWished(wish);
  const isWished = wish !== null;
  return useMemo(() => {
    if (change === null || !isWished) return { part: null, problem: "" };
    if (change.problem !== undefined) return { part: null, problem: change.problem };
    if (change.data === undefined || change.shape === undefined || change.dtype === undefined) return { part: null, problem: "" };
    const values = numbers(change.dtype, change.data);
    if (values === null) return { part: null, problem: `elements of type ${change.dtype} cannot be drawn` };
    return { part: { change, values, shape: change.shape, every: change.every ?? 1 }, problem: "" };
  }, [change, isWished]);
}

function useWished(wish: Wish | null): Change | null {
  const changes = useChanges();
  const { moment } = useScene();
  const [change, setChange] = useState<{ of: number | null; change: Change } | null>(null);
  const key = wish === null ? "" : JSON.stringify(wish);
  useEffect(() => {
    if (key === "") return;
    const wanted = JSON.parse(key) as Wish;
    if (moment === null) return changes.follow(wanted, (now) => setChange({ of: null, change: now }));
    if (isPiece(wanted.slice)) return; // of the past, only wholes are kept
    const control = new AbortController();
    then(wanted, moment, control.signal).then(
      (found) => setChange({ of: moment, change: found }),
      (error: unknown) => {
        if (!control.signal.aborted) setChange({ of: moment, change: { ...nothing(wanted), problem: (error as Error).message } });
      },
    );
    return () => control.abort();
  }, [changes, key, moment]);
  // What was there before stays while something else is on its way; a piece of now is none of then.
  return change !== null && change.of !== moment && wish !== null && isPiece(wish.slice) ? null : (change?.change ?? null);
}

function isPiece(slice: string | null): boolean {
  return /\d:|:\d/.test(slice ?? "");
}

function nothing({ view, slice }: Wish): Change {
  return { view, slice, version: -1, position: -1 };
}

/** Ask how a view was at a moment, in s since 1970. */
async function then(wish: Wish, moment: number, signal: AbortSignal): Promise<Change> {
  const answer = await getRaw(`past/${wish.view}?time=${moment}`, signal);
  const said = (name: string) => answer.headers.get(`X-Penstock-${name}`) ?? "";
  return {
    view: wish.view,
    slice: wish.slice,
    version: Number(said("Version")),
    position: Number(said("Position")),
    shape: said("Shape").split(",").filter(Boolean).map(Number),
    dtype: said("Dtype"),
    every: Number(said("Every")),
    fewer: said("Fewer") as "mean",
    data: await answer.arrayBuffer(),
  };
}

/** Return a view with the values of its axes; as it was given until they are there. */
export function useAxes(view: View): View {
  const [found, setFound] = useState<View | null>(null);
  const { name } = view;
  const key = `${name} ${JSON.stringify(view.axes)} ${view.grows ? "" : view.shape.join()}`;
  const isPlain = view.axes.length === 0;
  useEffect(() => {
    if (isPlain) return;
    const control = new AbortController();
    get<View>(`views/${name}`, control.signal).then(setFound, () => undefined); // without values it is counted
    return () => control.abort();
  }, [name, key, isPlain]);
  return useMemo(() => (found?.name === view.name ? { ...view, axes: found.axes } : view), [view, found]);
}

export interface Size {
  width: number;
  height: number;
}

/** Follow how large an element is on the screen. */
export function useSize(place: RefObject<HTMLElement>): Size {
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useEffect(() => {
    const element = place.current;
    if (element === null) return;
    const measure = () => {
      const [width, height] = [element.clientWidth, element.clientHeight];
      setSize((before) => (before.width === width && before.height === height ? before : { width, height }));
    };
    measure();
    const seen = new ResizeObserver(measure);
    seen.observe(element);
    return () => seen.disconnect();
  }, [place]);
  return size;
}

/** Return what changes at most every so many ms, the last of it always. */
export function useSettled<T>(value: T, after_ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), after_ms);
    return () => clearTimeout(timer);
  }, [value, after_ms]);
  return settled;
}
