// Books of edges as a table wants them.

import type { Edge } from "../api/types";

/** The accounts that are used on any edge: done first, then as they come. */
export function labels(edges: Edge[]): string[] {
  const found = new Set<string>(edges.flatMap((edge) => Object.keys(edge.accounts)));
  return [...(found.delete("done") ? ["done"] : []), ...found];
}

/** Accounts of what should have got through; what is joined, filtered, discarded or there twice should not. */
const LOSSES: readonly string[] = ["failed", "incomplete", "late", "unparsable", "dropped", "dead-lettered", "aborted"];

/** Whether what stands in an account is lost. */
export function isLost(account: string): boolean {
  return LOSSES.includes(account);
}

/** What arrived, as the accounts and what is in flight make it. */
export function total(edge: Edge): number {
  return Object.values(edge.accounts).reduce((sum, each) => sum + each, 0) + edge.in_flight;
}
