// The items that a hub derived from `RunsHub` sends: `docs/specs/runs.md` of Hubline.

/** The state of a run. The last five are final. */
export type RunStateName =
  | "queued"
  | "running"
  | "waiting"
  | "completed"
  | "stopped"
  | "failed"
  | "interrupted"
  | "limited";

/** Text that grows. */
export interface TextPart {
  readonly part: string;
  readonly kind: "text" | "reasoning";
  readonly text: string;
}

/** A value of the application. */
export interface DataPart {
  readonly part: string;
  readonly kind: "data";
  readonly name: string;
  readonly value: unknown;
}

export type Part = TextPart | DataPart;

/** A question to a person. */
export interface Ask {
  readonly askId: string;
  readonly prompt: string;
  /** JSON Schema of the answer. */
  readonly schema: unknown;
  /** ISO 8601, in UTC. */
  readonly expiresAt: string | null;
}

/** A message to the running answer, after the answer has received it. */
export interface Steered {
  readonly steerId: string;
  readonly by: string | null;
  readonly value: unknown;
}

/** The status of the server's work: `queued` with a `place`, or a status of the application. */
export interface Status {
  readonly status: string;
  readonly place?: number;
  readonly [detail: string]: unknown;
}

/** The usage of one model. */
export type Usage = Readonly<Record<string, unknown>>;

export interface RunInfo {
  readonly id: string;
  readonly state: RunStateName;
  readonly position: string | null;
  readonly room: string | null;
  readonly key: string | null;
  readonly starter: string | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly viewers: number;
  readonly usage: readonly Usage[];
}

interface Positioned {
  readonly position: string | null;
}

export type Item = Positioned &
  (
    | TextPart
    | DataPart
    | { readonly kind: "retract"; readonly parts: readonly string[] }
    | { readonly kind: "snapshot"; readonly parts: readonly Part[]; readonly state: RunStateName; readonly asks: readonly Ask[] }
    | ({ readonly kind: "status" } & Status)
    | ({ readonly kind: "ask" } & Ask)
    | { readonly kind: "answered"; readonly askId: string; readonly by: string | null; readonly value: unknown; readonly expired?: boolean }
    | ({ readonly kind: "steered" } & Steered)
    | { readonly kind: "live" }
    | { readonly kind: "end"; readonly state: RunStateName; readonly error: string | null; readonly usage: readonly Usage[]; readonly unread: readonly string[] }
  );

export type RunsItem =
  | { readonly kind: "runs"; readonly runs: readonly RunInfo[] }
  | { readonly kind: "run"; readonly info: RunInfo };
