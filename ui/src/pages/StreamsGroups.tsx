// How groups are doing that share a stream: what each still owes, what it has in hands, who its members are.

import { count, seconds } from "./PipelineText";
import { hashOf } from "./StreamsAddress";
import type { Group } from "./StreamsTypes";

export function StreamsGroups({ groups }: { groups: (Group & { address?: string })[] }) {
  const hasStreams = groups.some((each) => each.address !== undefined);
  return (
    <div className="scrolls" tabIndex={0} role="region" aria-label="table of groups">
      <table>
        <thead>
          <tr>
            {["group", ...(hasStreams ? ["stream"] : []), "lag", "not handed out", "in flight", "come back", "dead", "acknowledged", "members"].map(
              (each) => (
                <th key={each} scope="col">
                  {each}
                </th>
              ),
            )}
          </tr>
        </thead>
        <tbody>
          {groups.map((each) => (
            <tr key={`${each.address ?? ""} ${each.name}`}>
              <th scope="row">{each.name}</th>
              {each.address !== undefined && (
                <td>
                  <a href={hashOf({ address: each.address, id: null })}>{each.address}</a>
                </td>
              )}
              <td>{count(each.lag)}</td>
              <td>{count(each.unclaimed)}</td>
              <td>{count(each.in_flight)}</td>
              <td>{count(each.waiting)}</td>
              <td className={each.dead > 0 ? "mark" : ""}>{count(each.dead)}</td>
              <td>{count(each.acknowledged)}</td>
              <td title={each.members.map((member) => `${member.name}: ${count(member.in_flight)}`).join("\n")}>
                {each.members.length === 0
                  ? "none"
                  : `${count(each.members.length)}, seen ${seconds(Math.min(...each.members.map((member) => member.seen_s)))} ago`}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
