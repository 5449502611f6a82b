// Elements as they come over the wire, as arrays of JavaScript.

export type Numbers = Float32Array | Float64Array | Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Uint32Array;

const BYTES = new Map<string, (data: ArrayBuffer) => Numbers>([
  ["f4", (data) => new Float32Array(data)],
  ["f8", (data) => new Float64Array(data)],
  ["i1", (data) => new Int8Array(data)],
  ["u1", (data) => new Uint8Array(data)],
  ["b1", (data) => new Uint8Array(data)],
  ["i2", (data) => new Int16Array(data)],
  ["u2", (data) => new Uint16Array(data)],
  ["i4", (data) => new Int32Array(data)],
  ["u4", (data) => new Uint32Array(data)],
  ["i8", (data) => Float64Array.from(new BigInt64Array(data), Number)],
  ["u8", (data) => Float64Array.from(new BigUint64Array(data), Number)],
]);

/** Return the elements of a dtype as NumPy writes it; null if they are no numbers. Times are s since 1970, UTC. */
export function numbers(dtype: string, data: ArrayBuffer): Numbers | null {
  if (dtype.startsWith(">")) return numbers("<" + dtype.slice(1), swapped(data, Number.parseInt(dtype.slice(2))));
  if (areTimes(dtype)) return Float64Array.from(new BigInt64Array(data), (ticks) => Number(ticks) * secondsOf(dtype));
  return BYTES.get(dtype.slice(1))?.(data) ?? null;
}

/** Whether a dtype is one of numbers or truth values. */
export function areNumbers(dtype: string): boolean {
  return BYTES.has(dtype.slice(1));
}

function swapped(data: ArrayBuffer, itemBytes: number): ArrayBuffer {
  const bytes = new Uint8Array(data.slice(0));
  for (let at = 0; at < bytes.length; at += itemBytes) bytes.subarray(at, at + itemBytes).reverse();
  return bytes.buffer;
}

const SECONDS: Record<string, number> = { s: 1, ms: 1e-3, us: 1e-6, ns: 1e-9 };

/** Whether a dtype is one of times, as `<M8[ns]`. */
export function areTimes(dtype: string): boolean {
  return /^[<>]M8\[(s|ms|us|ns)\]$/.test(dtype);
}

function secondsOf(dtype: string): number {
  return SECONDS[dtype.slice(4, -1)] ?? 1;
}
