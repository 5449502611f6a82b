// What the pipeline says and takes, as its OpenAPI document has it: `schema.d.ts` is made of that, see ui/build.py.

import type { components } from "./schema";

/** All types of the interface, by name. */
export type Schemas = components["schemas"];

export type About = Schemas["About"];
export type Alarms = Schemas["Alarms"];
export type Axis = Schemas["Axis"];
/** The books of an edge, as far as sums of them go. */
export type Edge = Pick<Schemas["EdgeReport"], "producer" | "consumer" | "arrived" | "in_flight" | "accounts" | "counters">;
export type Parameter = Schemas["Parameter"];
export type ParameterChange = Schemas["ParameterChange"];
export type Replay = Schemas["Replay"];
export type RunReport = Schemas["RunReport"];
export type State = Schemas["StateReport"];
export type States = Schemas["States"];
export type View = Schemas["View"];
