import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const ROOT = join(import.meta.dirname, "..", "src");
const files = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((name) => /\.(ts|tsx|css)$/.test(name));
const read = (name: string) => readFileSync(join(ROOT, name), "utf8");

describe("the sources", () => {
  it.each(files)("%s is short enough to read", (name) => {
    expect(read(name).split("\n").length).toBeLessThanOrEqual(name.endsWith(".tsx") ? 200 : 350);
  });

  it("make no HTML from text anywhere", () => {
    const ways = /dangerouslySetInnerHTML|innerHTML|outerHTML|insertAdjacentHTML|document\.write/;
    expect(files.filter((name) => ways.test(read(name)))).toEqual([]);
  });

  it("keep React out of what has no looks", () => {
    const logic = ["connection/connection.ts", "messages/outbox.ts", "answers/answers.ts", "rooms/rooms.ts", "rooms/room-view.ts", "account/session.ts", "account/api.ts", "budget/budget.ts", "connection/token-keeper.ts"];
    expect(logic.filter((name) => /from "react/.test(read(name)))).toEqual([]);
  });

  it("take the official client in one place only", () => {
    expect(files.filter((name) => read(name).includes("@microsoft/signalr"))).toEqual([join("connection", "signalr-port.ts")]);
  });
});
