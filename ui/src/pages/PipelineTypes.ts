// What the pipeline says of itself as a graph: GET flow, flow/{room} and ledger.

export interface Load {
  processes: number;
  cpu_share: number;
  cpu_s: number;
  private_bytes: number;
  deaths: number;
  busy: number;
}

export interface Room {
  name: string;
  kind: string;
  says: string[];
  state: string;
  why: string;
  since_s: number;
  workers: number | null;
  coming: number;
  failures: number;
  load: Load;
}

export interface Latency {
  count: number;
  p50_s: number;
  p99_s: number;
  max_s: number;
}

export interface FlowEdge {
  producer: string;
  consumer: string;
  is_condition: boolean;
  arrived: number;
  in_flight: number;
  recent_per_s: number;
  waiting: number;
  capacity: number;
  loss: number;
  latency: Latency | null;
}

export interface Delay {
  what: string;
  count: number;
  mean_s: number | null;
  p50_s: number | null;
  p99_s: number | null;
  max_s: number | null;
}

export interface Rate {
  name: string;
  kind: string;
  came: number;
  recent_per_s: number;
  per_s: number;
  gave_per_item: number | null;
  files: number | null;
  files_per_s: number | null;
}

export interface Bottleneck {
  room: string;
  why: string;
}

export interface Flow {
  run: string;
  outcome: string;
  rooms: Room[];
  edges: FlowEdge[];
  bottleneck: Bottleneck | null;
  delays: Delay[];
  rates: Rate[];
}

export interface Failure {
  stage: string;
  event: number | null;
  cause: string;
  traceback: string;
}

export interface Notice {
  time: string;
  level: string;
  source: string;
  text: string;
  times: number;
}

export interface Details {
  workers: { name: string; state: string; why: string; since_s: number }[];
  processes: { name: string; pid: number; state: string; cpu_share: number; private_bytes: number; deaths: number }[];
  failures: Failure[];
  dead_letters: Failure[];
  notices: Notice[];
  remarks: string[];
}

export interface Books {
  producer: string;
  consumer: string;
  arrived: number;
  in_flight: number;
  accounts: Record<string, number>;
  counters: Record<string, number>;
  loss: number;
}

export interface Ledger {
  outcome: string;
  adds_up: boolean;
  edges: Books[];
}

export interface Keeper {
  stage: string;
  kept: number;
  nbytes: number;
  numbers: number[];
}

export interface KeptEvent {
  number: number;
  parts: Record<string, unknown>;
}
