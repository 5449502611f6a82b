// Replays: what is told of them, and where they are reached from this browser.

export interface Replay {
  name: string;
  /** The recorded run. */
  of: string;
  who: string;
  began: string;
  /** starting, shown, ending, ended or failed */
  state: string;
  address: string;
  said: string;
  exit_code: number | null;
}

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
