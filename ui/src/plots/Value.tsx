// A single number.

import type { View } from "../api/types";
import { short } from "../data/axis";
import { usePart } from "./part";

export function Value({ view }: { view: View }) {
  const { part, problem } = usePart({ view: view.name, slice: "", max_hz: 5 });
  if (problem !== "") return <p role="alert">{problem}</p>;
  const value = part?.values[0];
  return (
    <p className="value">
      {value === undefined ? "—" : view.dtype.endsWith("b1") ? (value ? "yes" : "no") : short(value, 7)} {view.unit}
    </p>
  );
}
