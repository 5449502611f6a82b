// One room: its workers and processes, what went wrong in it, its last events and its log.

import { usePoll } from "../live/poll";
import { bytes, count, percent, seconds } from "./PipelineText";
import type { Details, Failure, KeptEvent, Keeper, Notice, Room } from "./PipelineTypes";

const LAST_EVENTS = 5;

export function PipelineRoom({ room, slow, close }: { room: Room; slow: string; close: () => void }) {
  const { data, problem } = usePoll<Details>(`flow/${encodeURIComponent(room.name)}`, 1);
  const { data: keepers } = usePoll<Keeper[]>("events", 5);
  const keeper = keepers?.find((each) => each.stage === room.name);
  return (
    <section className="pipeline-room" aria-label={`${room.kind} ${room.name}`}>
      <header>
        <h2>
          {room.kind} {room.name}
        </h2>
        <button type="button" onClick={close}>
          close
        </button>
      </header>
      <p>
        <span className={`state ${room.state}`}>{room.state}</span>
        {room.state !== "" && room.state !== "stopped" && ` for ${seconds(room.since_s)}`}
        {room.why !== "" && `: ${room.why}`}
      </p>
      {slow !== "" && <p className="mark slow-mark">bottleneck: {slow}</p>}
      {problem !== "" && <p role="alert">{problem}</p>}
      {data !== null && (
        <div className="pipeline-parts">
          <Processes details={data} />
          <Failures title="Errors" failures={data.failures.filter((each) => !data.dead_letters.some((letter) => isSame(each, letter)))} />
          <Failures title="Dead letters" failures={data.dead_letters} />
          {keeper !== undefined && <Events stage={room.name} kept={keeper.kept} />}
          <Log notices={data.notices} remarks={data.remarks.filter((remark) => !data.dead_letters.some((letter) => isOf(remark, letter)))} />
        </div>
      )}
    </section>
  );
}

function Processes({ details: { processes, workers } }: { details: Details }) {
  if (processes.length === 0) return null;
  const whys = new Map(workers.map((each) => [each.name, each.why]));
  const died = processes.filter((each) => each.last_death);
  return (
    <section aria-label="processes">
      <table>
        <caption>Processes</caption>
        <thead>
          <tr>
            <th scope="col">name</th>
            <th scope="col">state</th>
            <th scope="col">CPU</th>
            <th scope="col">memory</th>
            <th scope="col">deaths</th>
          </tr>
        </thead>
        <tbody>
          {processes.map((each) => (
            <tr key={each.name}>
              <th scope="row">{each.name}</th>
              <td title={whys.get(each.name)}>
                <span className={`state ${each.state}`}>{each.state}</span>
              </td>
              <td>{each.pid === 0 ? "–" : percent(each.cpu_share)}</td>
              <td>{each.pid === 0 ? "–" : bytes(each.private_bytes)}</td>
              <td>{count(each.deaths)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {died.length > 0 && (
        <ul className="pipeline-log bad" aria-label="deaths">
          {died.map((each) => (
            <li key={each.name}>{each.last_death}</li>
          ))}
        </ul>
      )}
    </section>
  );
}

/** Whether an error is that of a dead letter. */
function isSame(one: Failure, other: Failure): boolean {
  return one.event === other.event && one.cause === other.cause && one.traceback === other.traceback;
}

/** Whether a remark tells of a dead letter that is shown with its traceback. */
function isOf(remark: string, { event, cause }: Failure): boolean {
  return remark.endsWith(`event ${String(event)}: ${cause}`);
}

function Failures({ title, failures }: { title: string; failures: Failure[] }) {
  if (failures.length === 0) return null;
  return (
    <section aria-label={title}>
      <h3>{title}</h3>
      {failures.toReversed().map((each, index) => (
        <details key={`${String(each.event)} ${String(failures.length - index)}`} open={index === 0}>
          <summary>
            {each.event !== null && `event ${each.event}: `}
            {each.cause}
          </summary>
          {each.traceback !== "" && (
            <pre tabIndex={0} aria-label="traceback">
              {each.traceback}
            </pre>
          )}
        </details>
      ))}
    </section>
  );
}

function Events({ stage, kept }: { stage: string; kept: number }) {
  const { data, problem } = usePoll<KeptEvent[]>(`events/${encodeURIComponent(stage)}?last=${LAST_EVENTS}`, 2);
  return (
    <section aria-label="last events">
      <h3>Last events, of {count(kept)} that were kept</h3>
      {problem !== "" && <p role="alert">{problem}</p>}
      {data?.toReversed().map((event) => (
        <details key={event.number}>
          <summary>
            event {event.number}: {Object.keys(event.parts).join(", ")}
          </summary>
          <pre tabIndex={0} aria-label={`event ${event.number}`}>
            {JSON.stringify(event.parts, null, 2)}
          </pre>
        </details>
      ))}
    </section>
  );
}

function Log({ notices, remarks }: { notices: Notice[]; remarks: string[] }) {
  return (
    <section aria-label="log">
      <h3>Log</h3>
      {notices.length === 0 && remarks.length === 0 && <p>Nothing was said.</p>}
      <ul className="pipeline-log">
        {notices.toReversed().map((each) => (
          <li key={`${each.time} ${each.text}`}>
            <time dateTime={each.time}>{each.time.slice(11, 19)}</time> <span className={`level ${each.level}`}>{each.level}</span>{" "}
            {each.source} {each.text}
            {each.times > 1 && ` (${count(each.times)} times)`}
          </li>
        ))}
        {remarks.toReversed().map((each, index) => (
          <li key={`${each} ${String(index)}`}>{each}</li>
        ))}
      </ul>
    </section>
  );
}
