// What wants somebody, and what happened.

import { Alarms } from "./LogAlarms";
import { Journal } from "./LogJournal";
import "./Log.css";

export function Log() {
  return (
    <main className="page log" id="main" tabIndex={-1}>
      <Alarms />
      <Journal />
    </main>
  );
}
