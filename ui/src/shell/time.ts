// Times and durations as they are shown everywhere.

const DAY_MS = 86_400_000;
const MINUTE_S = 60;
const HOUR_S = 3600;

/** The time of day of what the pipeline wrote as ISO 8601, in this browser's zone; with the date if it is not of the last day. */
export function clock(iso: string): string {
  const when = new Date(iso);
  const time = when.toLocaleTimeString(undefined, { hour12: false });
  return Date.now() - when.getTime() < DAY_MS ? time : `${when.toLocaleDateString()} ${time}`;
}

/** A time in s, as one says it. */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < MINUTE_S) return `${Math.round(seconds)} s`;
  if (seconds < HOUR_S) return `${Math.floor(seconds / MINUTE_S)} min ${Math.floor(seconds % MINUTE_S)} s`;
  return `${Math.floor(seconds / HOUR_S)} h ${Math.floor((seconds % HOUR_S) / MINUTE_S)} min`;
}
