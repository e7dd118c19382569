import { joinRoom, type Room, type RoomConnection, type RoomMember } from "@hubline/client/rooms";
import type { Person } from "../connection/contract";
import { Store } from "../ui/store";

/** Somebody who is in the room, with so many devices; two tabs are one. */
export interface Present extends Person {
  devices: number;
}

/** How long somebody counts as writing; pages tell it again in less. */
const WRITES = 4_000;

/** Who is in the room that is shown, and who writes there. */
export class Presence {
  /** By their names. */
  readonly people = new Store<readonly Present[]>([]);
  /** The names of the others who write. */
  readonly writing = new Store<readonly string[]>([]);
  readonly #connection: RoomConnection;
  readonly #active: Store<string | null>;
  readonly #me: string;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #room: Room | null = null;

  constructor(connection: RoomConnection, active: Store<string | null>, me: string) {
    this.#connection = connection;
    this.#active = active;
    this.#me = me;
    active.subscribe(() => this.#show());
  }

  /** The connection is back. A session that ended was taken out of the room for good. */
  resume(): void {
    if (this.#room?.status.closed) this.#show();
  }

  /** Tells the others that I write. */
  write(): void {
    this.#room?.signal("typing");
  }

  /** What somebody wrote is here. */
  wrote(personId: string): void {
    clearTimeout(this.#timers.get(personId));
    if (this.#timers.delete(personId)) this.#name();
  }

  #show(): void {
    this.#room?.leave();
    for (const personId of [...this.#timers.keys()]) this.wrote(personId);
    this.people.set([]);
    const roomId = this.#active.value;
    this.#room = roomId === null ? null : joinRoom(this.#connection, roomId, {
      onPresence: (members) => {
        this.people.set(members.map(present).sort((a, b) => a.name.localeCompare(b.name)));
        this.#name();
      },
      onSignal: ({ by }) => by !== null && by !== this.#me && this.#writes(by),
    });
  }

  #writes(personId: string): void {
    clearTimeout(this.#timers.get(personId));
    this.#timers.set(personId, setTimeout(() => this.wrote(personId), WRITES));
    this.#name();
  }

  #name(): void {
    this.writing.set(this.people.value.filter(({ id }) => this.#timers.has(id)).map(({ name }) => name));
  }
}

function present({ user, state, devices }: RoomMember): Present {
  const { name } = state as { name: string };
  return { id: user ?? "", name, kind: "person", devices: new Set(devices.map((device) => device.name)).size };
}
