// How a number was: a bounded number of points, the older ones further apart.

const MOST_POINTS = 2000;

export class Trend {
  /** In s since 1970. */
  times: number[] = [];
  values: number[] = [];
  #version = -1;

  /** Add what a version says; of each version once. Returns whether it was new. */
  add(version: number, time_s: number, value: number): boolean {
    if (version === this.#version) return false;
    if (version < this.#version) [this.times, this.values] = [[], []]; // another run
    this.#version = version;
    this.times.push(time_s);
    this.values.push(value);
    if (this.times.length > MOST_POINTS) {
      const half = MOST_POINTS / 2;
      const keeps = (_: number, k: number) => k >= half || k % 2 === 0;
      this.times = this.times.filter(keeps);
      this.values = this.values.filter(keeps);
    }
    return true;
  }
}
