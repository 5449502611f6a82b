import { describe, expect, it } from "vitest";

import { missing, partsOf } from "./PipelineLedger";

const BOOKS = { producer: "a", consumer: "b", arrived: 10, in_flight: 2, accounts: { late: 1, done: 7 }, counters: {}, loss: 1 };

describe("the bar of an edge", () => {
  it("adds up to what arrived, what got through first", () => {
    expect(partsOf(BOOKS)).toEqual([
      { account: "done", number: 7 },
      { account: "late", number: 1 },
      { account: "in flight", number: 2 },
    ]);
    expect(missing(BOOKS)).toBe(0);
  });

  it("says by how many it does not, and leaves out no account that it does not know", () => {
    expect(missing({ ...BOOKS, arrived: 12 })).toBe(2);
    expect(missing({ ...BOOKS, accounts: { ...BOOKS.accounts, strayed: 1 } })).toBe(-1);
  });
});
