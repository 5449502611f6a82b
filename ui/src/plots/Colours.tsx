// What the colours of a plot mean: between which values, in which unit.

import { ColorBar, type ColorMap } from "@h5web/lib";

import { short } from "../data/axis";
import type { Domain } from "../data/colours";
import type { Settings } from "../data/settings";
import { SCALE_TYPES } from "./scaleTypes";

export function Colours({ domain: [low, high], settings, unit }: { domain: Domain; settings: Settings; unit: string }) {
  return (
    <div className="image-bar">
      <p>{unit}</p>
      <p>{short(high, 4)}</p>
      <ColorBar domain={[low, high]} scaleType={SCALE_TYPES[settings.scale]} colorMap={settings.map as ColorMap} invertColorMap={settings.invert} />
      <p>{short(low, 4)}</p>
    </div>
  );
}
