// A piece of an image, and where it lies on the drawing of the whole.

import { HeatmapMesh, useCameraState, useVisCanvasContext, type ColorMap, type ColorScaleType } from "@h5web/lib";
import { useThree } from "@react-three/fiber";
import ndarray, { type NdArray } from "ndarray";
import { memo, useEffect, useMemo } from "react";
import { Vector3 } from "three";

import { valueAt, type Scale } from "../data/axis";
import type { Domain } from "../data/colours";
import { startsOf } from "../data/levels";
import type { Numbers } from "../data/numbers";
import type { Part } from "./part";
import type { Earlier } from "./useReference";

export interface Sheet {
  values: Numbers;
  rows: number;
  columns: number;
  /** How many elements of the whole one stands for, along each dimension. */
  every: number;
  top: number;
  left: number;
  texture: NdArray<Float32Array | Uint8Array>;
}

/** What can be drawn of a part: where the mask is not 0 it is missing, and it may be compared with an earlier one. */
export function sheetOf(part: Part, mask: Part | null, earlier: Earlier | null = null, compare: "difference" | "ratio" = "difference"): Sheet | null {
  const [rows = 0, columns = 0] = part.shape.slice(-2);
  if (rows === 0 || columns === 0) return null;
  const [top = 0, left = 0] = startsOf(part.change.slice, 2);
  const { every } = part;
  let values = part.values;
  if (earlier) values = beside(part, earlier, top, left, compare === "ratio" ? (now, then) => now / then : (now, then) => now - then);
  if (mask) values = beside({ ...part, values }, mask, top, left, (value, isLeftOut) => (isLeftOut ? NaN : value));
  const safe = values instanceof Float32Array || values instanceof Uint8Array ? values : new Float32Array(values);
  return { values, rows, columns, every, top, left, texture: ndarray(safe, [rows, columns]) };
}

/** Return what becomes of each element with the one of another image at the same place, which may be coarser or finer. */
function beside(part: Part, other: Pick<Part, "values" | "shape" | "every">, top: number, left: number, become: (value: number, other: number) => number): Float32Array {
  const [rows = 0, columns = 0] = part.shape.slice(-2);
  const [ofRows = 0, ofColumns = 0] = other.shape.slice(-2);
  const found = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const at = Math.min(ofRows - 1, Math.floor((top + (row + 0.5) * part.every) / other.every)) * ofColumns;
    for (let column = 0; column < columns; column++) {
      const next = Math.min(ofColumns - 1, Math.floor((left + (column + 0.5) * part.every) / other.every));
      found[row * columns + column] = become(part.values[row * columns + column] ?? NaN, other.values[at + next] ?? NaN);
    }
  }
  return found;
}

interface Placed {
  sheet: Sheet;
  scales: readonly [y: Scale, x: Scale];
  /** Whether the first row is the highest. */
  down: boolean;
  domain: Domain;
  colorMap: ColorMap;
  invertColorMap: boolean;
  scaleType: ColorScaleType;
  isAbove?: boolean;
}

/** Draw a sheet where it belongs. */
export function PlacedImage({ sheet, scales, down, domain, colorMap, invertColorMap, scaleType, isAbove = false }: Placed) {
  const { dataToWorld } = useVisCanvasContext();
  const [y, x] = scales;
  const corner = (row: number, column: number) => dataToWorld(new Vector3(valueAt(x, column), valueAt(y, row), 0));
  const first = corner(sheet.top, sheet.left);
  const last = corner(sheet.top + sheet.rows * sheet.every, sheet.left + sheet.columns * sheet.every);
  return (
    <HeatmapMesh
      values={sheet.texture}
      domain={domain}
      colorMap={colorMap}
      invertColorMap={invertColorMap}
      scaleType={scaleType}
      badColor="#888"
      position={[(first.x + last.x) / 2, (first.y + last.y) / 2, isAbove ? 0.01 : 0]}
      size={{ width: Math.abs(last.x - first.x), height: Math.abs(last.y - first.y) }}
      scale={[1, down ? -1 : 1, 1]}
    />
  );
}

const NOTHING = ndarray(new Float32Array(1), [1, 1]);
const UNIT: Domain = [0, 1];
const SPECK = { width: 1e-3, height: 1e-3 };

/**
 * Keep the graphics card's program. A drawing of colours is made anew with every image, and its program with it, which
 * takes longer than all the rest; while another one of the same scale stays, both share what was made for that one.
 */
export const KeptProgram = memo(function KeptProgram({ scaleType }: { scaleType: ColorScaleType }) {
  return <HeatmapMesh values={NOTHING} domain={UNIT} colorMap="Viridis" scaleType={scaleType} badColor="#888" size={SPECK} />;
});

export interface Looks {
  x: [number, number];
  y: [number, number];
}

/** Tell which part of the drawing is seen, and move it by keyboard: + − 0 and arrows. */
export function Looked({ onLook }: { onLook: (looks: Looks | null) => void }) {
  const { getVisibleDomains, canvasArea, getFovBox, visSize } = useVisCanvasContext();
  const camera = useThree((state) => state.camera);
  const invalidate = useThree((state) => state.invalidate);
  const gl = useThree((state) => state.gl);
  const scene = useThree((state) => state.scene);
  const seen = useCameraState(
    (now) => {
      if (now.scale.x >= 1 && now.scale.y >= 1) return "";
      const { xVisibleDomain, yVisibleDomain } = getVisibleDomains(now);
      return JSON.stringify({ x: xVisibleDomain, y: yVisibleDomain });
    },
    [getVisibleDomains],
  );
  useEffect(() => onLook(seen === "" ? null : (JSON.parse(seen) as Looks)), [seen, onLook]);
  const bounds = useMemo(() => ({ width: visSize.width / 2, height: visSize.height / 2 }), [visSize]);
  useEffect(() => {
    const byKey = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const zoom = { "+": 0.7, "=": 0.7, "-": 1 / 0.7, "0": Infinity, Home: Infinity }[event.key];
      const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
      if (zoom === undefined && move === undefined) return;
      event.preventDefault();
      if (zoom !== undefined) camera.scale.set(Math.min(1, camera.scale.x * zoom), Math.min(1, camera.scale.y * zoom), 1);
      const { width, height } = getFovBox(camera).size;
      const [right = 0, up = 0] = move ?? [];
      const room = (half: number, size: number) => Math.max(0, half - size / 2);
      const held = (at: number, most: number) => Math.min(most, Math.max(-most, at));
      camera.position.x = held(camera.position.x + right * width * 0.2, room(bounds.width, width));
      camera.position.y = held(camera.position.y + up * height * 0.2, room(bounds.height, height));
      camera.updateMatrixWorld();
      invalidate();
    };
    const draw = () => gl.render(scene, camera);
    canvasArea.addEventListener("penstock-draw", draw); // for a picture of it
    canvasArea.setAttribute("tabindex", "0");
    canvasArea.setAttribute("role", "application");
    canvasArea.setAttribute("aria-label", "image: plus and minus zoom, arrows move, 0 shows all");
    canvasArea.addEventListener("keydown", byKey);
    return () => {
      canvasArea.removeEventListener("keydown", byKey);
      canvasArea.removeEventListener("penstock-draw", draw);
    };
  }, [canvasArea, camera, invalidate, getFovBox, bounds, gl, scene]);
  return null;
}
