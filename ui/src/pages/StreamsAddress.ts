// Addresses of streams: beamtime/source/stream, as part of a path, as a tree, and behind `#/streams/`.

import type { StreamInfo } from "./StreamsTypes";

/** What the page shows: a stream, or above it a beamtime or source; and a message, where one was chosen. */
export interface Place {
  address: string;
  id: number | null;
}

/** An address as a part of a path. */
export function inPath(address: string): string {
  return address.split("/").map(encodeURIComponent).join("/");
}

/** Read what stands behind `#/streams/`. */
export function placeOf(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/streams\/?/, "").split("?");
  const id = Number(new URLSearchParams(query).get("id") ?? "0");
  return { address: path.split("/").map(decodeURIComponent).join("/"), id: id > 0 ? id : null };
}

/** Write what stands in the address bar. */
export function hashOf({ address, id }: Place): string {
  return `#/streams/${inPath(address)}${id === null ? "" : `?id=${id}`}`;
}

export interface Source {
  /** beamtime/source */
  address: string;
  name: string;
  streams: StreamInfo[];
}

export interface Beamtime {
  name: string;
  sources: Source[];
}

/** Put streams under their beamtimes and sources, in the order in which they come; those whose address has a text. */
export function treeOf(streams: readonly StreamInfo[], text: string): Beamtime[] {
  const beamtimes = new Map<string, Map<string, StreamInfo[]>>();
  for (const info of streams) {
    if (!info.address.toLowerCase().includes(text.trim().toLowerCase())) continue;
    const [beamtime = "", source = ""] = info.address.split("/");
    const sources = beamtimes.get(beamtime) ?? new Map<string, StreamInfo[]>();
    beamtimes.set(beamtime, sources);
    sources.set(source, [...(sources.get(source) ?? []), info]);
  }
  return [...beamtimes].map(([name, sources]) => ({
    name,
    sources: [...sources].map(([source, found]) => ({ address: `${name}/${source}`, name: source, streams: found })),
  }));
}

/** The last of the names of an address. */
export function lastName(address: string): string {
  return address.split("/").at(-1) ?? address;
}

/** From the message that is asked for first, the pages before and behind it; null: there is none. */
export function pagesAround(position: number, shown: number, arrived: number, removed: number, size: number) {
  return {
    earlier: position > removed ? Math.max(removed, position - size) : null,
    later: position + shown < arrived ? position + shown : null,
  };
}
