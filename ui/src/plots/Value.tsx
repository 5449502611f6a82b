// A single number or text.

import type { View } from "../api/types";
import { numbers } from "../data/numbers";
import { useChange } from "../live/context";

export function Value({ view }: { view: View }) {
  const change = useChange({ view: view.name, slice: "", max_hz: 5 });
  const value = change?.data && change.dtype ? numbers(change.dtype, change.data)?.[0] : undefined;
  return (
    <p className="value">
      {value === undefined ? "—" : value.toPrecision(6)} {view.unit}
    </p>
  );
}
