// The ledger, live: of every edge what arrived and where it ended, as numbers and as a bar that adds up.

import type { Polled } from "../live/poll";
import { count } from "./PipelineText";
import type { Books, Ledger } from "./PipelineTypes";

/** In the order in which they stand in the bar; what is not a loss comes first. */
const ACCOUNTS: readonly string[] = [
  "done", "joined", "filtered", "discarded", "duplicate",
  "failed", "incomplete", "late", "unparsable", "dropped", "dead-lettered", "aborted",
];
const IN_FLIGHT = "in flight";

export interface Part {
  account: string;
  number: number;
}

/** Return the parts that add up to what arrived, those of nothing left out. */
export function partsOf(books: Books): Part[] {
  const known = ACCOUNTS.map((account) => ({ account, number: books.accounts[account] ?? 0 }));
  const other = Object.entries(books.accounts)
    .filter(([account]) => !ACCOUNTS.includes(account))
    .map(([account, number]) => ({ account, number }));
  return [...known, ...other, { account: IN_FLIGHT, number: books.in_flight }].filter((each) => each.number > 0);
}

/** Return by how many the parts miss what arrived; 0 if they add up. */
export function missing(books: Books): number {
  return books.arrived - partsOf(books).reduce((sum, each) => sum + each.number, 0);
}

export function PipelineLedger({ polled: { data, problem } }: { polled: Polled<Ledger> }) {
  if (data === null) return problem === "" ? null : <p role="alert">{problem}</p>;
  const used = [...ACCOUNTS, IN_FLIGHT].filter((each) =>
    data.edges.some((edge) => partsOf(edge).some((part) => part.account === each)),
  );
  return (
    <section className="pipeline-ledger" aria-label="ledger">
      <h2>
        Ledger <span className={data.adds_up ? "adds-up" : "mark"}>{data.adds_up ? "adds up" : "does not add up"}</span>
      </h2>
      <ul className="pipeline-legend" aria-label="colours">
        {used.map((each) => (
          <li key={each}>
            <span className={`swatch ${slug(each)}`} /> {each}
          </li>
        ))}
      </ul>
      <div className="scrolls" tabIndex={0} role="region" aria-label="table of the ledger">
        <table>
          <thead>
            <tr>
              <th scope="col">edge</th>
              <th scope="col">arrived</th>
              <th scope="col" className="bar-column">
                where it is
              </th>
              {used.map((each) => (
                <th key={each} scope="col">
                  {each}
                </th>
              ))}
              <th scope="col">seen in the numbers</th>
            </tr>
          </thead>
          <tbody>
            {data.edges.map((edge) => (
              <Row key={`${edge.producer} ${edge.consumer}`} books={edge} used={used} />
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function Row({ books, used }: { books: Books; used: string[] }) {
  const parts = partsOf(books);
  const lacking = missing(books);
  const counters = Object.entries(books.counters).map(([name, number]) => `${count(number)} ${name}`);
  return (
    <tr>
      <th scope="row">
        {books.producer} → {books.consumer}
      </th>
      <td>{count(books.arrived)}</td>
      <td className="bar-column">
        <div className="bar" role="img" aria-label={parts.map((each) => `${each.account} ${count(each.number)}`).join(", ") || "nothing"}>
          {parts.map((each) => (
            <span
              key={each.account}
              className={slug(each.account)}
              style={{ flexGrow: each.number }}
              title={`${each.account}: ${count(each.number)}`}
            />
          ))}
        </div>
        {lacking !== 0 && <span className="mark">{count(Math.abs(lacking))} {lacking > 0 ? "in no account" : "too many"}</span>}
      </td>
      {used.map((each) => {
        const number = parts.find((part) => part.account === each)?.number ?? 0;
        return <td key={each}>{number === 0 ? "·" : count(number)}</td>;
      })}
      <td>{counters.join(", ") || "·"}</td>
    </tr>
  );
}

function slug(account: string): string {
  return `account-${account.replace(" ", "-")}`;
}
