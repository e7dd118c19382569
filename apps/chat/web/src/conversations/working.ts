import { watchRuns, type Connection, type RunInfo, type WatchedRuns } from "@hubline/client";
import type { Room } from "../connection/contract";
import { isRecord, readJson, type Box } from "../ui/storage";
import { Store } from "../ui/store";

/** What a conversation does: its answer grows ("working"), waits in a line or for a decision ("waiting"), or has ended. */
export type Doing = "working" | "waiting" | "ended";

type Run = Pick<RunInfo, "room" | "state" | "endedAt">;

export interface Work {
  doing: Doing;
  /** When the last answer ended, as the server tells it; "" before the first. */
  ended: string;
  /** It has ended since this browser showed the conversation. */
  fresh: boolean;
}

type Works = ReadonlyMap<string, Work>;
type Seen = Readonly<Record<string, string>>;

const KEY = "conversations.seen";

/** My answers in each room, as the server tells them: also while the page shows another room. */
export class Working {
  /** By room. */
  readonly rooms = new Store<Works>(new Map());
  readonly #connection: Connection;
  readonly #active: Store<string | null>;
  readonly #box: Box;
  #seen: Seen;
  #watched: WatchedRuns | null = null;

  /** Watches from when there is the first conversation. */
  constructor(connection: Connection, list: Store<readonly Room[] | null>, active: Store<string | null>, box: Box) {
    this.#connection = connection;
    this.#active = active;
    this.#box = box;
    this.#seen = readJson(box, KEY, isSeen) ?? {};
    list.subscribe(() => {
      if (list.value?.some((room) => room.isConversation)) this.#watch();
    });
    active.subscribe(() => this.#changed());
  }

  #watch(): void {
    if (this.#watched) return;
    this.#watched = watchRuns(this.#connection, null);
    this.#watched.onChange(() => this.#changed());
  }

  #changed(): void {
    if (!this.#watched) return;
    const works = worksOf(this.#watched.state.runs, this.#seen);
    const active = this.#active.value;
    const here = active === null ? undefined : works.get(active);
    if (active !== null && here && this.#seen[active] !== here.ended) {
      this.#seen = { ...this.#seen, [active]: here.ended };
      this.#box.write(KEY, JSON.stringify(this.#seen));
      works.set(active, { ...here, fresh: false });
    }
    this.rooms.set(works);
  }
}

export function worksOf(runs: readonly Run[], seen: Seen): Map<string, Work> {
  const found = new Map<string, Work>();
  for (const { room, state, endedAt } of runs) {
    if (room === null) continue;
    const { doing: before, ended: last } = found.get(room) ?? { doing: "ended", ended: "" };
    const doing: Doing = state === "running" ? "working" : state === "queued" || state === "waiting" ? "waiting" : "ended";
    const ended = endedAt && endedAt > last ? endedAt : last;
    const known = seen[room];
    found.set(room, { doing: pressing(before, doing), ended, fresh: known !== undefined && ended > known });
  }
  return found;
}

/** Behind an answer that grows others may wait in line; those that have ended say nothing. */
function pressing(a: Doing, b: Doing): Doing {
  if (a === "working" || b === "working") return "working";
  return a === "waiting" || b === "waiting" ? "waiting" : "ended";
}

/** In one word; `news`: messages in it were not read. */
export function stateOf(work: Work | undefined, current: boolean, news: boolean): "working" | "waiting" | "unread" | "done" {
  if (work && work.doing !== "ended") return work.doing;
  return !current && (news || work?.fresh) ? "unread" : "done";
}

function isSeen(value: unknown): value is Seen {
  return isRecord(value) && Object.values(value).every((moment) => typeof moment === "string");
}
