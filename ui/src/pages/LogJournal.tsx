// The journal: what happened, searched at the pipeline; it may be paused to be read.

import { useEffect, useState } from "react";

import { get } from "../api/http";
import { useAccess } from "../shell/access";
import { clock } from "../shell/time";
import { asking, joined, KINDS, LEVELS, NOTHING, sentence, type Found, type Shown, type Wish } from "./LogEntries";

const EVERY_MS = 1000;
const TYPED_MS = 300;
const ALL: Wish = { level: "info", kinds: [], text: "" };

export function Journal() {
  const [wish, setWish] = useState(ALL);
  const [typed, setTyped] = useState("");
  const [isPaused, setPaused] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setWish((before) => (before.text === typed ? before : { ...before, text: typed })), TYPED_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  return (
    <section className="panel" aria-labelledby="journal-title">
      <h2 id="journal-title">Log</h2>
      <form className="row" role="search" onSubmit={(event) => event.preventDefault()}>
        <label>
          <span className="unseen">search</span>
          <input type="search" placeholder="search" value={typed} maxLength={200} onChange={(event) => setTyped(event.target.value)} />
        </label>
        <label>
          level{" "}
          <select value={wish.level} onChange={(event) => setWish({ ...wish, level: event.target.value })}>
            {LEVELS.map((each) => (
              <option key={each} value={each}>
                {each === "alarm" ? "alarm" : `${each} and graver`}
              </option>
            ))}
          </select>
        </label>
        <fieldset className="row kinds">
          <legend className="unseen">kinds</legend>
          {KINDS.map((kind) => (
            <label key={kind}>
              <input
                type="checkbox"
                checked={wish.kinds.length === 0 || wish.kinds.includes(kind)}
                onChange={(event) => setWish({ ...wish, kinds: chosen(wish.kinds, kind, event.target.checked) })}
              />
              {kind}
            </label>
          ))}
        </fieldset>
        <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? "Go on" : "Pause"}
        </button>
      </form>
      <Entries key={JSON.stringify(wish)} wish={wish} isPaused={isPaused} />
    </section>
  );
}

/** None stands for all of them; so does the last one that is taken away. */
function chosen(kinds: string[], kind: string, isOn: boolean): string[] {
  const before = kinds.length === 0 ? KINDS : kinds;
  const after = isOn ? [...before, kind] : before.filter((each) => each !== kind);
  return after.length === KINDS.length ? [] : after;
}

function Entries({ wish, isPaused }: { wish: Wish; isPaused: boolean }) {
  const { shown, problem } = useJournal(wish, isPaused);
  return (
    <>
      <p className="hint" role="status">
        {problem}
        {problem === "" && isPaused && "paused; what happens meanwhile is shown afterwards, or when something else is searched for"}
        {problem === "" && !isPaused && shown.run !== "" && `${shown.entries.length} of ${shown.last} entries of run ${shown.run}`}
      </p>
      <div className="scrolls entries" tabIndex={0} role="log" aria-live="off" aria-label="entries, the newest first">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col" className="number">time</th>
              <th scope="col">kind</th>
              <th scope="col">source</th>
              <th scope="col">what</th>
            </tr>
          </thead>
          <tbody>
            {shown.entries.map((entry) => (
              <tr key={entry.number} className={`of-${entry.level}`}>
                <td className="number">{clock(entry.time)}</td>
                <td>
                  {entry.kind} {entry.level === "alarm" && entry.kind !== "alarm" && <span className="state fault">alarm</span>}
                </td>
                <td>{entry.source}</td>
                <td>{sentence(entry)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

/** What is wanted of the journal, as it grows; nothing is asked while it is paused or the tab is hidden. */
function useJournal(wish: Wish, isPaused: boolean): { shown: Shown; problem: string } {
  const [shown, setShown] = useState(NOTHING);
  const [problem, setProblem] = useState("");
  const { role } = useAccess();
  const { last } = shown;
  useEffect(() => {
    if ((isPaused && last > 0) || role === null) return; // what is searched for is asked for also then, once
    const control = new AbortController();
    const ask = async () => {
      if (document.hidden) return;
      try {
        const found = await get<Found>(asking(wish, last), control.signal);
        setShown((before) => (found.last === before.last && found.run === before.run ? before : joined(before, found)));
        setProblem("");
      } catch (error) {
        if (!control.signal.aborted) setProblem((error as Error).message);
      }
    };
    const first = setTimeout(() => void ask(), last === 0 ? 0 : EVERY_MS);
    const timer = setInterval(() => void ask(), EVERY_MS);
    return () => {
      control.abort();
      clearTimeout(first);
      clearInterval(timer);
    };
  }, [wish, last, isPaused, role]);
  return { shown, problem };
}
