export { connectionState, type Connection, type ConnectionState } from "./connection.js";
export type { Kept, RunState } from "./content.js";
export { iterate, type StreamResult } from "./iterate.js";
export type { Ask, DataPart, Item, Part, RunInfo, RunStateName, RunsItem, Status, Steered, TextPart, Usage } from "./items.js";
export { keepConnected, type KeepOptions, type KeptConnection } from "./keep-connected.js";
export type { Subscribable } from "./notifier.js";
export { attachRun, type AttachedRun, type AttachOptions } from "./run.js";
export { watchRuns, type RunsState, type WatchedRuns } from "./runs.js";
export type { RunStorage } from "./storage.js";
