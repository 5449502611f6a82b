import { describe, expect, it } from "vitest";

import { areNumbers, numbers } from "./numbers";

describe("numbers", () => {
  it("reads both orders of bytes", () => {
    expect(numbers("<u2", new Uint8Array([1, 0, 0, 1]).buffer)).toEqual(new Uint16Array([1, 256]));
    expect(numbers(">u2", new Uint8Array([1, 0, 0, 1]).buffer)).toEqual(new Uint16Array([256, 1]));
  });

  it("makes doubles of whole numbers of 64 bits", () => {
    expect(numbers("<i8", new BigInt64Array([-3n, 2n ** 40n]).buffer)).toEqual(new Float64Array([-3, 2 ** 40]));
  });

  it("knows what no numbers are", () => {
    expect(numbers("<U4", new ArrayBuffer(16))).toBeNull();
    expect(areNumbers("|b1")).toBe(true);
    expect(areNumbers("<c16")).toBe(false);
  });
});
