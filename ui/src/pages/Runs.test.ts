import { expect, it } from "vitest";

import type { Edge, Replay } from "../api/types";
import { isLost, labels, total } from "./RunsLedger";
import { reachedAt } from "./RunsReplays";

function edge(accounts: Record<string, number>, in_flight: number): Edge {
  return { producer: "a", consumer: "b", arrived: 10, in_flight, accounts, counters: {} };
}

it("the ledger has a column for each account that is used, done first", () => {
  expect(labels([edge({ late: 1 }, 0), edge({ done: 9, failed: 1 }, 0)])).toEqual(["done", "late", "failed"]);
  expect(labels([edge({ late: 1 }, 0)])).toEqual(["late"]);
});

it("what was joined or filtered is not lost, not even beside what is", () => {
  expect(["done", "joined", "filtered", "failed", "dead-lettered"].filter(isLost)).toEqual(["failed", "dead-lettered"]);
});

it("what is in flight belongs to the sum", () => {
  expect(total(edge({ done: 7, late: 1 }, 2))).toBe(10);
});

it("a replay is reached at the machine of this page, with its token", () => {
  const replay: Replay = { name: "r", of: "r", who: "", ended_by: "", began: "", state: "shown", address: "http://node7:39001", said: "", exit_code: null };
  expect(reachedAt(replay, "http://control.lab:8400/#/runs", "a b")).toBe("http://control.lab:39001/?token=a+b");
  expect(reachedAt(replay, "http://localhost:8400/", "")).toBe("http://localhost:39001/");
});
