// Numbers of the pipeline in words: short enough for the lines of a graph.

const COUNT = new Intl.NumberFormat("en-GB");
const SHORT = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 3 });

/** A whole number with its thousands. */
export function count(value: number): string {
  return COUNT.format(value);
}

/** How many in a second; slow ones with three digits. */
export function perSecond(value: number): string {
  return `${value >= 100 ? COUNT.format(Math.round(value)) : SHORT.format(value)}/s`;
}

/** A time in the unit that leaves no zeros in front. */
export function seconds(value: number | null): string {
  if (value === null) return "–";
  if (value === 0) return "0 s";
  if (value < 1e-6) return "< 1 µs";
  if (value < 1e-3) return `${SHORT.format(value * 1e6)} µs`;
  if (value < 1) return `${SHORT.format(value * 1e3)} ms`;
  if (value < 120) return `${SHORT.format(value)} s`;
  return value < 7200 ? `${SHORT.format(value / 60)} min` : `${SHORT.format(value / 3600)} h`;
}

/** A number of bytes in a unit of thousands. */
export function bytes(value: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let left = value;
  let unit = 0;
  while (left >= 999.5 && unit < units.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${SHORT.format(left)} ${units[unit] ?? ""}`;
}

/** A part of a whole. */
export function percent(value: number): string {
  return `${Math.round(100 * value)} %`;
}

/** One or several of something. */
export function many(number: number, what: string): string {
  return `${count(number)} ${what}${number === 1 ? "" : "s"}`;
}
