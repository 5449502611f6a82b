// Which elements are asked for, so that only what can be seen travels, and where what comes lies in the whole.

/** From, and up to but without. */
export type Range = readonly [from: number, to: number];

const LEAST_BYTES = 32 << 10;
export const MOST_BYTES = 1 << 20;
/** So many pictures a second are asked for at most: somewhat more than 10, or some of 10 a second would come too early. */
export const MOST_HZ = 12;

/** Bytes that so many elements on the screen need, as a power of two, so that a change of size asks anew but seldom. */
export function bytesFor(elements: number, itemBytes = 8): number {
  const wanted = 2 ** Math.ceil(Math.log2(Math.max(1, elements * itemBytes)));
  return Math.min(MOST_BYTES, Math.max(LEAST_BYTES, wanted));
}

/** Bytes of one element of a dtype as NumPy writes it. */
export function itemBytes(dtype: string): number {
  return Number.parseInt(dtype.slice(2)) || 8;
}

/** Write ranges as a slice; those that are all of their dimension come as `:`. Empty if all are. */
export function sliceText(ranges: readonly Range[], shape: readonly number[], leading: readonly number[] = []): string {
  const written = ranges.map(([from, to], k) => (from <= 0 && to >= (shape[k] ?? 0) ? ":" : `${from}:${to}`));
  if (leading.length === 0 && written.every((each) => each === ":")) return "";
  return [...leading.map(String), ...written].join(",");
}

/** Return where the elements of a slice begin along each of its last dimensions. */
export function startsOf(slice: string | null, dimensions: number): number[] {
  const words = slice ? slice.split(",").slice(-dimensions) : [];
  return Array.from({ length: dimensions }, (_, k) => Number.parseInt(words[k]?.split(":")[0] ?? "") || 0);
}

/**
 * Widen what is looked at to what is asked for: by a quarter of it on each side, on a grid of an eighth of it, so that a
 * small move asks for nothing new. `null` where that would be nearly all.
 */
export function asked([from, to]: Range, length: number): Range | null {
  const seen = Math.max(1, to - from);
  if (seen * 2 > length) return null;
  const grid = Math.max(1, 2 ** Math.floor(Math.log2(seen / 8)));
  const first = Math.max(0, Math.floor((from - seen / 4) / grid) * grid);
  const last = Math.min(length, Math.ceil((to + seen / 4) / grid) * grid);
  return [first, last];
}

/** Keep a range within `0…length`, at least one element long, in whole numbers. */
export function within(from: number, to: number, length: number): Range {
  const first = Math.min(Math.max(0, Math.floor(Math.min(from, to))), Math.max(0, length - 1));
  const last = Math.max(first + 1, Math.min(length, Math.ceil(Math.max(from, to))));
  return [first, last];
}

/** Return the index of the last of rising values that is not above one; 0 if all are. */
export function indexOf(values: ArrayLike<number>, wanted: number): number {
  let low = 0;
  let high = values.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((values[middle] ?? Infinity) <= wanted) low = middle;
    else high = middle - 1;
  }
  return low;
}
