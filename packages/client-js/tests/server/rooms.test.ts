import { expect, test, vi } from "vitest";
import { joinRoom, type RoomChange } from "../../src/rooms.js";
import { seeded } from "../seeded.js";
import { build, LINES, nameOf, open, proxy, token } from "./support.js";

const path = "/hub-rooms";
const [LINE] = LINES;
const COUNT = 300;
const SEED = Number(process.env.HUBLINE_SEED ?? 1);
/** The server keeps rooms, and may be asked again. */
const RUN = Math.random().toString(36).slice(2);

test("over lines that are cut again and again, every message arrives once and in one order", { timeout: 120_000 }, async () => {
  const random = seeded(SEED);
  // The server keeps a connection on long polling that was cut for 15 s, and would be waited for.
  const cuttable = LINES.filter((line) => nameOf(line) !== "LongPolling/messagepack");
  const writers = await Promise.all(cuttable.map((line) => open(line, { path })));
  const pages = await Promise.all(
    cuttable.map(async (line) => {
      // In the end a line holds: on one that is shorter than what was missed, it would never arrive.
      const through = await proxy((cuts) => (cuts < 8 ? 2_000 + random() * 15_000 : Infinity));
      const connection = build(line, { base: through.base, path, reconnect: Array<number>(1_000).fill(0) });
      await connection.start(); // a line holds for longer than this; `keepConnected` would wait longer after each cut
      const page = { through, said: [] as string[], gaps: 0, own: 0 };
      const room = joinRoom<string>(connection, `cut ${RUN}`, {
        presence: false,
        onMessage: ({ data }) => page.said.push(data),
        onGap: () => (page.gaps += 1),
      });
      const sending = (async () => {
        for (; page.own < 20; page.own++) await room.send(`page ${nameOf(line)} ${page.own}`);
      })();
      return { ...page, page, sending };
    }),
  );
  const sent = writers.map(async (writer, number) => {
    for (let count = 0; count < COUNT; count++) await writer.invoke("SendToRoom", `cut ${RUN}`, `${number} ${count}`);
  });
  await Promise.all([...sent, ...pages.map(({ sending }) => sending)]);
  const all = writers.length * COUNT + pages.length * 20;
  await vi.waitFor(() => expect(pages.map(({ said }) => said.length)).toEqual(pages.map(() => all)), { timeout: 90_000 });
  for (const { said, page, through } of pages) {
    expect(said).toEqual(pages[0]?.said);
    expect(new Set(said).size).toBe(all);
    expect(page.gaps).toBe(0);
    expect(through.cuts).toBeGreaterThan(1);
  }
});

test("members see who comes, what they are, and who leaves", async () => {
  const [ada, bob] = await Promise.all(
    ["ada", "bob"].map(async (name) => open(LINE, { path, user: await token(name) })),
  );
  const changes: [string, string | null, unknown][] = [];
  const seen = (change: RoomChange | null) => change && changes.push([change.kind, change.member.user, change.member.state]);
  const room = joinRoom(ada!, "people", { device: "laptop", onPresence: (_, change) => seen(change) });
  await vi.waitFor(() => expect(room.status.live).toBe(true), { timeout: 60_000 });
  const other = joinRoom(bob!, "people", { state: { mood: "good" } });
  await vi.waitFor(() => expect(other.members.map(({ user }) => user)).toEqual(["ada", "bob"]), { timeout: 60_000 });
  await other.setState({ mood: "bad" });
  other.leave();
  await vi.waitFor(
    () =>
      expect(changes).toEqual([
        ["enter", "bob", { mood: "good" }],
        ["update", "bob", { mood: "bad" }],
        ["leave", "bob", { mood: "bad" }],
      ]),
    { timeout: 60_000 },
  );
  const { messages, more } = await room.history();
  expect([messages, more]).toEqual([[], false]);
});
