// What the pipeline says of itself as a graph: GET flow, flow/{room}, ledger and events.

import type { Edge, Schemas } from "../api/types";

export type Room = Schemas["Room"];
export type FlowEdge = Schemas["Edge"];
export type Delay = Schemas["Delay"];
export type Rate = Schemas["Rate"];
export type Flow = Schemas["Flow"];
export type Details = Schemas["RoomDetails"];
export type Failure = Details["failures"][number];
export type Notice = Schemas["NoticeReport"];
export type Books = Edge & Pick<Schemas["EdgeReport"], "loss">;
export type Ledger = Schemas["Ledger"];
export type Keeper = Schemas["Keeper"];
export type KeptEvent = Schemas["KeptEvent"];
