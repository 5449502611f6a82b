// What the pipeline says, as far as the page looks at it.

export interface Axis {
  name: string;
  unit: string;
  /** null: just counted; absent where only the list of views was asked for. */
  values?: (number | string)[] | null;
}

export interface View {
  /** stage/path */
  name: string;
  title: string;
  unit: string;
  shape: number[];
  dtype: string;
  grows: boolean;
  axes: Axis[];
  version: number;
  position: number;
}

export interface About {
  pipeline: string;
  run: string;
  version: string;
  ended: boolean;
}

export interface Parameter {
  address: string;
  type: string;
  value: unknown;
  default: unknown;
  unit: string;
  section: string;
  bounds: Record<string, number>;
  choices: unknown[] | null;
  doc: string;
}

/** One revision of parameters. */
export interface ParameterChange {
  revision: number;
  from_event: number;
  values: Record<string, unknown>;
  /** What they were until then; absent in the answer to a change. */
  before?: Record<string, unknown>;
  who: string;
  when: string;
}

export interface State {
  name: string;
  kind: string;
  state: string;
  of: string;
  why: string;
  since_s: number;
}

export interface States {
  pipeline: string;
  run: string;
  state: string;
  states: State[];
  load: { worker: string; stage: string; state: string; share: number; cpu_s: number; deaths: number }[];
  allowed: string[];
}

export interface Edge {
  producer: string;
  consumer: string;
  arrived: number;
  in_flight: number;
  accounts: Record<string, number>;
  counters: Record<string, number>;
}
