// The durable streams of the pipeline's store: which there are, what is in them, and who reads them.

import "./Pipeline.css";
import "./Streams.css";

import { useEffect, useState } from "react";

import { usePoll } from "../live/poll";
import { bytes, count, many, seconds } from "./PipelineText";
import { hashOf, inPath, lastName, placeOf, treeOf, type Place } from "./StreamsAddress";
import { StreamsGroups } from "./StreamsGroups";
import { StreamsMessages, timeText } from "./StreamsMessages";
import type { AboutAbove, AboutStream, StreamInfo, StreamList } from "./StreamsTypes";

/** From then on it is worth saying that nothing comes, although more may. */
const QUIET_S = 10;

export function Streams() {
  const { data, problem } = usePoll<StreamList>("streams", 5);
  const [text, setText] = useState("");
  const place = usePlace();
  if (data === null) return <main className="pipeline" id="main" tabIndex={-1}>{problem === "" ? <p>asking for the streams</p> : <p role="alert">{problem}</p>}</main>;
  return (
    <main className="pipeline streams" id="main" tabIndex={-1}>
      <nav aria-label="streams" className="streams-list">
        {problem !== "" && <p role="alert">{problem}; this is how it was before.</p>}
        <p>
          {data.is_there ? "Store" : "Nothing has been recorded yet in"} <code>{data.store || "no store"}</code>
        </p>
        <label>
          Find <input type="search" value={text} onChange={(event) => setText(event.target.value)} />
        </label>
        <ul>
          {treeOf(data.streams, text).map((beamtime) => (
            <li key={beamtime.name}>
              <Link address={beamtime.name} place={place} />
              <ul>
                {beamtime.sources.map((source) => (
                  <li key={source.address}>
                    <Link address={source.address} place={place} />
                    <ul>
                      {source.streams.map((each) => (
                        <li key={each.address}>
                          <Link address={each.address} place={place} /> <State info={each} />{" "}
                          <small>{count(each.count)}</small>
                        </li>
                      ))}
                    </ul>
                  </li>
                ))}
              </ul>
            </li>
          ))}
        </ul>
        {data.left_off > 0 && <p>and {many(data.left_off, "older stream")}</p>}
      </nav>
      <div className="streams-one">
        {place.address === "" && <p>Choose a stream to see what is in it.</p>}
        {place.address !== "" && place.address.split("/").length < 3 && <Above key={place.address} address={place.address} />}
        {place.address.split("/").length > 3 && <p role="alert">“{place.address}” is no address; those are beamtime/source/stream.</p>}
        {place.address.split("/").length === 3 && <One key={place.address} place={place} />}
      </div>
    </main>
  );
}

function Link({ address, place }: { address: string; place: Place }) {
  return (
    <a href={hashOf({ address, id: null })} aria-current={address === place.address ? "page" : undefined}>
      {lastName(address)}
    </a>
  );
}

function State({ info }: { info: StreamInfo }) {
  const class_ = { open: "processing", aborted: "fault", stalled: "degraded" }[info.state] ?? "";
  return <span className={`state ${class_}`}>{info.state}</span>;
}

function Above({ address }: { address: string }) {
  const { data, problem } = usePoll<AboutAbove>(`streams/about/${inPath(address)}`, 5);
  return (
    <section aria-label={address}>
      <h2>{address}</h2>
      {problem !== "" && <p role="alert">{problem}</p>}
      {data !== null && (
        <>
          <p>
            {many(data.streams, "stream")}, {many(data.count, "message")}, {bytes(data.nbytes)}
          </p>
          <Metadata value={data.metadata} />
        </>
      )}
    </section>
  );
}

function One({ place: { address, id } }: { place: Place }) {
  const { data, problem } = usePoll<AboutStream>(`streams/about/${inPath(address)}`, 2);
  return (
    <section aria-label={address}>
      <h2>{address}</h2>
      {problem !== "" && <p role="alert">{problem}</p>}
      {data !== null && (
        <>
          <Facts info={data} />
          <Metadata value={data.metadata} />
          {data.groups.length > 0 && (
            <>
              <h3>Groups</h3>
              <StreamsGroups groups={data.groups} />
            </>
          )}
        </>
      )}
      <StreamsMessages address={address} id={id} />
    </section>
  );
}

function Facts({ info }: { info: AboutStream }) {
  const quiet_s = useNow() / 1000 - info.last_ns / 1e9;
  const missing = info.gaps.ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ");
  const facts: [string, string][] = [
    ["messages", `${count(info.count)}, ids ${info.first_id} to ${info.last_id}, ${bytes(info.nbytes)}`],
    ["removed", info.removed > 0 ? count(info.removed) : ""],
    ["not there", info.gaps.trouble || (missing === "" ? "" : missing + (info.gaps.is_complete ? "" : " and more"))],
    ["begun", `${timeText(info.created_ns)} UTC`],
    ["last", info.last_ns === 0 ? "never" : `${timeText(info.last_ns)} UTC`],
    ["goes on in", info.next_stream],
    ["kept are", info.kept === null ? "" : JSON.stringify(info.kept)],
    ["kept for", info.pinned.join(", ")],
  ];
  return (
    <>
      <p role="status">
        <State info={info} />
        {info.reason !== "" && `: ${info.reason}`}
        {info.state === "open" && quiet_s > QUIET_S && `, but nothing has come for ${seconds(quiet_s)}`}
        {info.state === "stalled" && ": nobody writes it any more, and it was not ended"}
      </p>
      <dl className="streams-facts">
        {facts
          .filter(([, value]) => value !== "")
          .map(([name, value]) => (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </>
  );
}

function Metadata({ value }: { value: Record<string, unknown> | null }) {
  if (value === null || Object.keys(value).length === 0) return null;
  return (
    <details>
      <summary>What was said of it</summary>
      <pre tabIndex={0} aria-label="metadata">
        {JSON.stringify(value, null, 2)}
      </pre>
    </details>
  );
}

function usePlace(): Place {
  const [hash, setHash] = useState(location.hash);
  useEffect(() => {
    const moved = () => setHash(location.hash);
    window.addEventListener("hashchange", moved);
    return () => window.removeEventListener("hashchange", moved);
  }, []);
  return placeOf(hash);
}

/** The time now, ms of Date.now(), to the second. */
function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
