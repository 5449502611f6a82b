// @vitest-environment jsdom
import { afterEach, beforeEach, expect, it, vi } from "vitest";

import { Changes, type Change } from "./changes";

/** A connection whose other end is the test. */
class Socket {
  static readonly OPEN = 1;
  static last: Socket;
  readyState = Socket.OPEN;
  sent: unknown[] = [];
  onopen = () => {};
  onmessage: (message: { data: unknown }) => void = () => {};
  onclose = () => {};
  constructor() {
    Socket.last = this;
  }
  send(text: string) {
    this.sent.push(JSON.parse(text));
  }
  says(version: number, data: ArrayBuffer) {
    this.onmessage({ data: JSON.stringify({ view: "sum/image", slice: "", version, position: version, shape: [1], dtype: "|u1" }) });
    this.onmessage({ data });
  }
}

let frames: (() => void)[] = [];

beforeEach(() => {
  frames = [];
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", Socket);
  vi.stubGlobal("requestAnimationFrame", (next: () => void) => frames.push(next));
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function draw() {
  for (const next of frames.splice(0)) next();
}

it("tells with each picture the latest of what has come", () => {
  const changes = new Changes();
  changes.open();
  const told: Change[] = [];
  changes.follow({ view: "sum/image", slice: "" }, (change) => told.push(change));
  Socket.last.onopen();
  vi.runAllTimers();
  expect(Socket.last.sent).toEqual([{ watch: [{ view: "sum/image", slice: "" }] }]);

  for (const version of [1, 2, 3]) Socket.last.says(version, new Uint8Array([version]).buffer);
  expect(told).toEqual([]);
  draw();
  expect(told.map(({ version, data }) => [version, ...new Uint8Array(data ?? new ArrayBuffer(0))])).toEqual([[3, 3]]);
  draw();
  expect(told.length).toBe(1);

  const late: number[] = [];
  const end = changes.follow({ view: "sum/image", slice: "" }, ({ version }) => late.push(version));
  expect(late).toEqual([3]);
  Socket.last.says(4, new ArrayBuffer(1));
  end();
  draw();
  expect([told.at(-1)?.version, late]).toEqual([4, [3]]);
});
