// The messages of a stream, page by page or as a query finds them, and the one that was chosen.

import { useState, type FormEvent } from "react";

import { usePoll } from "../live/poll";
import { count } from "./PipelineText";
import { hashOf, inPath, pagesAround } from "./StreamsAddress";
import { StreamsArray } from "./StreamsArray";
import type { Messages, StreamMessage } from "./StreamsTypes";

const PAGE = 25;
const FOUND = 200;
const ONCE_S = 86_400;

export function StreamsMessages({ address, id }: { address: string; id: number | null }) {
  const [position, setPosition] = useState<number | null>(null);
  const [query, setQuery] = useState("");
  const asked = query === "" ? `most=${PAGE}${position === null ? "" : `&position=${position}`}` : `most=${FOUND}&query=${encodeURIComponent(query)}`;
  const isNewest = query === "" && position === null;
  const { data, problem } = usePoll<Messages>(`streams/messages/${inPath(address)}?${asked}`, isNewest ? 2 : ONCE_S);
  return (
    <section aria-label="messages">
      <h3>Messages</h3>
      <Search search={setQuery} />
      {problem !== "" && (
        <p role="alert" className="streams-problem">
          {problem}
        </p>
      )}
      {data !== null && (problem === "" || query === "") && (
        <>
          {query === "" ? <Pages data={data} isNewest={isNewest} go={setPosition} /> : <Result data={data} />}
          {data.damaged.map((each) => (
            <p key={each} className="mark">
              {each}
            </p>
          ))}
          <Table address={address} messages={query === "" ? data.messages.toReversed() : data.messages} id={id} />
        </>
      )}
      {id !== null && <Chosen key={id} address={address} id={id} />}
    </section>
  );
}

function Search({ search }: { search: (query: string) => void }) {
  const [text, setText] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    search(text.trim());
  };
  return (
    <form role="search" className="streams-search" onSubmit={submit}>
      <label>
        Query{" "}
        <input
          value={text}
          size={50}
          placeholder="meta.energy_keV > 5 ORDER BY _id DESC LIMIT 10"
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <button type="submit">find</button>
      <button
        type="button"
        onClick={() => {
          setText("");
          search("");
        }}
      >
        all
      </button>
    </form>
  );
}

function Result({ data }: { data: Messages }) {
  return (
    <p role="status">
      {count(data.messages.length)} found among {count(data.looked_at)}
      {data.is_whole ? "." : "; there may be more: write a narrower query, or a limit."}
    </p>
  );
}

function Pages({ data, isNewest, go }: { data: Messages; isNewest: boolean; go: (position: number | null) => void }) {
  const { position = 0, messages, arrived, removed } = data;
  const { earlier, later } = pagesAround(position, messages.length, arrived, removed, PAGE);
  return (
    <p className="streams-pages">
      <button type="button" disabled={earlier === null} onClick={() => go(removed)}>
        first
      </button>
      <button type="button" disabled={earlier === null} onClick={() => go(earlier)}>
        earlier
      </button>
      <button type="button" disabled={later === null} onClick={() => go(later)}>
        later
      </button>
      <button type="button" disabled={isNewest} onClick={() => go(null)}>
        newest
      </button>{" "}
      {messages.length === 0 ? "none" : `${count(position + 1)} to ${count(position + messages.length)} of ${count(arrived)}`}
      {isNewest && ", as they come"}
    </p>
  );
}

function Table({ address, messages, id }: { address: string; messages: StreamMessage[]; id: number | null }) {
  return (
    <div className={id === null ? "scrolls" : "scrolls few"} tabIndex={0} role="region" aria-label="table of messages">
      <table className="streams-messages">
        <thead>
          <tr>
            {["id", "time", "key", "arrays", "metadata"].map((each) => (
              <th key={each} scope="col">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {messages.map((each) => (
            <tr key={each.id} className={each.id === id ? "chosen" : ""}>
              <th scope="row">
                <a href={hashOf({ address, id: each.id })} aria-current={each.id === id ? "true" : undefined}>
                  {each.id}
                </a>
              </th>
              <td>{timeText(each.timestamp_ns)}</td>
              <td>{each.key ?? "·"}</td>
              <td>{each.arrays.map((array) => `${array.dtype} ${array.shape.join("×")}`).join(", ") || each.kind}</td>
              <td className="streams-metadata">{JSON.stringify(each.metadata)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Chosen({ address, id }: { address: string; id: number }) {
  const { data, problem } = usePoll<Messages>(`streams/messages/${inPath(address)}?most=1&query=${encodeURIComponent(`_id = ${id} LIMIT 1`)}`, ONCE_S);
  const message = data?.messages[0];
  return (
    <section className="streams-message" aria-label={`message ${id}`}>
      <h3>
        Message {id} <a href={hashOf({ address, id: null })}>close</a>
      </h3>
      {problem !== "" && <p role="alert">{problem}</p>}
      {data !== null && message === undefined && <p>It is not there.</p>}
      {message !== undefined && (
        <div className="streams-parts">
          {message.arrays.map((facts, buffer) => (
            <StreamsArray key={buffer} address={address} id={id} buffer={buffer} facts={facts} />
          ))}
          <pre tabIndex={0} aria-label="metadata">
            {JSON.stringify(message.metadata, null, 2)}
          </pre>
        </div>
      )}
    </section>
  );
}

/** A time in ns since 1970 UTC, to the millisecond. */
export function timeText(ns: number): string {
  return ns === 0 ? "·" : new Date(ns / 1e6).toISOString().slice(0, 23).replace("T", " ");
}
