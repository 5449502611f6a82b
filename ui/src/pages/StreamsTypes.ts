// What the pipeline says of durable streams: GET streams, streams/about, streams/messages, streams/groups.

export interface StreamInfo {
  address: string;
  state: string;
  reason: string;
  next_stream: string;
  count: number;
  removed: number;
  first_id: number;
  last_id: number;
  missing: number;
  nbytes: number;
  created_ns: number;
  last_ns: number;
}

export interface StreamList {
  store: string;
  is_there: boolean;
  streams: StreamInfo[];
  left_off: number;
}

export interface Group {
  name: string;
  lag: number;
  unclaimed: number;
  in_flight: number;
  waiting: number;
  dead: number;
  settled: number;
  position: number;
  acknowledged: number;
  redelivered: number;
  members: { name: string; in_flight: number; seen_s: number }[];
}

export interface GroupOfStream extends Group {
  address: string;
  state: string;
}

export interface AboutStream extends StreamInfo {
  metadata: Record<string, unknown> | null;
  gaps: { ranges: [number, number][]; is_complete: boolean; trouble: string };
  kept: Record<string, unknown> | null;
  pinned: string[];
  groups: Group[];
}

export interface AboutAbove {
  address: string;
  metadata: Record<string, unknown> | null;
  streams: number;
  count: number;
  nbytes: number;
}

export interface ArrayFacts {
  dtype: string;
  shape: number[];
  nbytes: number;
  encoding: string;
}

export interface StreamMessage {
  id: number;
  key: number | null;
  timestamp_ns: number;
  kind: string;
  metadata: Record<string, unknown>;
  arrays: ArrayFacts[];
}

export interface Messages {
  messages: StreamMessage[];
  position?: number;
  arrived: number;
  removed: number;
  looked_at: number;
  is_whole: boolean;
  damaged: string[];
}
