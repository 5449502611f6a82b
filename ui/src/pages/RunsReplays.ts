// Replays: what is told of them, and where they are reached from this browser.

import type { Replay } from "../api/types";

/**
 * Where a replay is reached: at its own port of the machine that this page came from, which may be called otherwise here
 * than there; with the token of this tab, which it takes too.
 */
export function reachedAt(replay: Replay, page: string, token: string): string {
  const at = new URL(replay.address);
  at.hostname = new URL(page).hostname;
  if (token !== "") at.searchParams.set("token", token);
  return at.href;
}
