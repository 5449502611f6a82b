// What the pipeline says of durable streams: GET streams, streams/about, streams/messages, streams/groups.

import type { Schemas } from "../api/types";

export type StreamInfo = Schemas["StreamFacts"];
export type StreamList = Schemas["StreamList"];
export type Group = Schemas["Group"];
export type GroupOfStream = Schemas["GroupOfStream"];
export type AboutStream = Schemas["AboutStream"];
export type AboutAbove = Schemas["AboutAbove"];
export type ArrayFacts = Schemas["ArrayFacts"];
export type StreamMessage = Schemas["StreamMessage"];
export type Messages = Schemas["StreamMessages"];
