// Says that what is on the screen is old, and since when.

import { useEffect, useState } from "react";

import { useLink } from "../live/context";
import { clock } from "./time";

const PATIENCE_MS = 1000;

export function Stale() {
  const link = useLink();
  const since = link.is === "gone" ? link.since : null;
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (since === null) return;
    const timer = setInterval(() => setNow(Date.now()), PATIENCE_MS);
    return () => clearInterval(timer);
  }, [since]);
  if (since === null || now - since < PATIENCE_MS) return null;
  return (
    <p className="stale" role="alert">
      Not connected since {clock(new Date(since).toISOString())}: what is shown is old. The page goes on when the pipeline answers.
    </p>
  );
}
