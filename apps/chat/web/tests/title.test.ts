import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import type { Room } from "../src/connection/contract";
import { texts as de } from "../src/language/de";
import { speak } from "../src/language/language";
import { roomsFor } from "../src/rooms/RoomSwitcher";
import { FIRST_ROOMS, titleOf, topicOf } from "../src/rooms/title";
import { room } from "./fake-port";

const ROOT = join(import.meta.dirname, "..", "src");
const MIGRATION = join(import.meta.dirname, "..", "..", "src", "hubline_chat", "store", "migrations", "versions", "0001_first_tables.py");
const general: Room = { ...room("general"), name: "General", topic: "Whatever has no room of its own", owners: [] };

const changed = (change: Partial<Room>): [string, string] => [titleOf({ ...general, ...change }), topicOf({ ...general, ...change })];

afterEach(() => speak("en", {}));

describe("the first rooms", () => {
  it("are those that the server makes", () => {
    const made = [...readFileSync(MIGRATION, "utf8").matchAll(/^ {4}\("([^"]+)", "([^"]+)", "([^"]+)"\),$/gm)].map(([, id, name, topic]) => [id, { name, topic }]);
    expect(Object.entries(FIRST_ROOMS)).toEqual(made);
  });

  it("have names and topics in the reader's language", () => {
    expect([titleOf(general), topicOf(general)]).toEqual(["General", general.topic]);
    speak("de", de);
    expect([titleOf(general), topicOf(general)]).toEqual(["Allgemein", "Alles, was keinen eigenen Raum hat"]);
    expect(roomsFor("allg", [general, room("other")])).toEqual([general]);
  });

  it("have what people called them, each text for itself", () => {
    speak("de", de);
    expect(changed({ name: "Off topic" })).toEqual(["Off topic", "Alles, was keinen eigenen Raum hat"]);
    expect(changed({ topic: "Everything else" })).toEqual(["Allgemein", "Everything else"]);
  });

  it("are not the rooms that people made with such a name or address", () => {
    speak("de", de);
    for (const change of [{ id: "general-2" }, { owners: ["ada"] }, { id: "toString" }]) expect(changed(change)).toEqual(["General", general.topic]);
  });

  it("are shown by their titles everywhere", () => {
    const files = readdirSync(ROOT, { recursive: true, encoding: "utf8" }).filter((name) => /\.tsx$/.test(name));
    const shown = files.filter((name) => /name: room\.name|[>}\s]\{room\.(name|topic)\}|title=\{room\.topic\}/.test(readFileSync(join(ROOT, name), "utf8")));
    expect(shown.filter((name) => name !== join("conversations", "Pair.tsx"))).toEqual([]);
  });
});
