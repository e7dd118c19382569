import { expect, test } from "vitest";
import { watchRuns, type RunInfo } from "../../src/index.js";
import { FakeConnection, hubError, settled } from "./fake-connection.js";

const info = (id: string, state: RunInfo["state"]): RunInfo => ({
  id,
  state,
  position: null,
  room: "room",
  key: null,
  starter: null,
  startedAt: null,
  endedAt: null,
  viewers: 0,
  usage: [],
});

test("knows the runs of a room, and asks anew when the connection comes back", async () => {
  const connection = new FakeConnection();
  await connection.start();
  const watched = watchRuns(connection, "room");
  const seen: string[] = [];
  watched.onChange(({ runs, live }) => seen.push(`${runs.map((run) => `${run.id} ${run.state}`).join(", ")} ${live}`));
  expect(connection.last).toMatchObject({ method: "WatchRuns", args: ["room"] });
  connection.last.next({ kind: "runs", runs: [info("a", "running")] });
  await settled();
  connection.last.next({ kind: "run", info: info("b", "queued") });
  await settled();
  connection.last.next({ kind: "run", info: info("a", "completed") });
  await settled();
  connection.drop();
  await settled();
  connection.restore();
  await settled();
  connection.last.next({ kind: "runs", runs: [info("b", "running")] });
  await settled();
  expect(seen).toEqual([
    "a running true",
    "a running, b queued true",
    "a completed, b queued true",
    "a completed, b queued false",
    "b running true",
  ]);
  connection.last.error(hubError("Method does not exist."));
  await settled();
  expect(watched.state).toMatchObject({ live: false, error: "Method does not exist." });
  connection.drop();
  connection.restore();
  await settled();
  expect(connection.streams).toHaveLength(2);
  watched.detach();
});
