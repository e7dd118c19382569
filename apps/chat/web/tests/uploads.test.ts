import { describe, expect, it } from "vitest";
import type { FileInfo } from "../src/connection/contract";
import { shownSize } from "../src/messages/MessageFiles";
import { blindTo, sizeOf, Uploads, type FileServer, type Upload } from "../src/messages/uploads";
import { memoryBox } from "../src/ui/storage";

const info = (name: string): FileInfo => ({ id: `id-${name}`, name, type: "text/plain", size: 3 });
const file = (name: string, size = 3) => new File(["x".repeat(size)], name);

class FakeServer implements FileServer {
  readonly waiting = new Map<string, { done(file: FileInfo): void; fail(error: Error): void; progress(share: number): void; signal: AbortSignal }>();
  readonly discarded: string[] = [];

  upload(_room: string, { name }: File, progress: (share: number) => void, signal: AbortSignal): Promise<FileInfo> {
    return new Promise((done, fail) => this.waiting.set(name, { done, fail, progress, signal }));
  }

  async discard(fileId: string): Promise<void> {
    this.discarded.push(fileId);
  }

  url({ id }: FileInfo): string {
    return id;
  }

  exportUrl(roomId: string): string {
    return roomId;
  }

  async finish(name: string): Promise<void> {
    this.waiting.get(name)!.done(info(name));
    this.waiting.delete(name);
    await new Promise((next) => setTimeout(next));
  }
}

function made(box = memoryBox()) {
  const server = new FakeServer();
  const uploads = new Uploads(box, server);
  uploads.limit.set(10);
  return { server, uploads, box, states: () => uploads.of("r").value.map((each) => `${each.name} ${each.state}`) };
}

describe("Uploads", () => {
  it("sends three at once, tells how far they are, and gives what has arrived to a message", async () => {
    const { server, uploads, states } = made();
    expect(uploads.add("r", ["a", "b", "c", "d"].map((name) => file(name)))).toBeNull();
    expect(states()).toEqual(["a sending", "b sending", "c sending", "d waiting"]);
    server.waiting.get("a")!.progress(0.5);
    expect(uploads.of("r").value[0]!.progress).toBe(0.5);
    await server.finish("a");
    expect(states()).toEqual(["a done", "b sending", "c sending", "d sending"]);
    for (const name of ["b", "c", "d"]) await server.finish(name);
    expect(uploads.take("r").map((each) => each.name)).toEqual(["a", "b", "c", "d"]);
    expect(uploads.of("r").value).toEqual([]);
    uploads.putBack("r", [info("a")]);
    expect(states()).toEqual(["a done"]);
  });

  it("says what cannot be attached", () => {
    const { uploads, states } = made();
    expect(uploads.add("r", [file("large", 11), file("small")])).toBe("large is too large: a file can have 10 B.");
    expect(uploads.add("r", [file("none", 0)])).toBe("none is empty.");
    expect(states()).toEqual(["small sending"]);
    expect(uploads.add("r", Array.from({ length: 10 }, (_, index) => file(`${index}`)))).toBe("A message can have 10 files.");
    expect(states()).toHaveLength(10);
    uploads.limit.set(0);
    expect(uploads.add("r", [file("x")])).toBe("Files cannot be sent here.");
  });

  it("tries again what has failed, and takes off what is not wanted", async () => {
    const { server, uploads, states } = made();
    uploads.add("r", [file("a"), file("b")]);
    const [a, b] = uploads.of("r").value;
    server.waiting.get("a")!.fail(new Error("The connection was lost."));
    await new Promise((next) => setTimeout(next));
    expect(uploads.of("r").value[0]).toMatchObject({ state: "failed", error: "The connection was lost." });
    uploads.retry("r", a!.key);
    expect(states()).toEqual(["a sending", "b sending"]);
    const { signal } = server.waiting.get("b")!;
    uploads.remove("r", b!.key);
    expect(signal.aborted).toBe(true);
    await server.finish("a");
    uploads.remove("r", a!.key);
    expect([states(), server.discarded]).toEqual([[], ["id-a"]]);
  });

  it("keeps what has arrived over a reload", async () => {
    const { server, uploads, box } = made();
    uploads.add("r", [file("a"), file("b")]);
    await server.finish("a");
    expect(made(box).states()).toEqual(["a done"]);
    uploads.take("r");
    expect(made(box).states()).toEqual([]);
  });
});

describe("sizes", () => {
  it("are told in words", () => {
    expect([sizeOf(999), sizeOf(1_400), sizeOf(10_000_000), sizeOf(1_950_000)]).toEqual(["999 B", "1.4 kB", "10 MB", "1.9 MB"]);
  });

  it("of images fit into the text, whatever their form", () => {
    expect(shownSize(200, 100)).toEqual([200, 100]);
    expect(shownSize(4200, 1000)).toEqual([420, 100]);
    expect(shownSize(1, 3000)).toEqual([24, 320]);
  });
});

describe("a picture in a question", () => {
  const done = (name: string, of: Partial<FileInfo> = {}): Upload => ({ key: name, name, size: 3, state: "done", progress: 1, error: null, file: { ...info(name), ...of } });
  const model = { id: "small", name: "Small", tier: "guest" as const };

  it("is not seen by a model that takes none", () => {
    const files = [done("notes.txt"), done("a.png", { width: 4, height: 3 })];
    expect(blindTo(files, model)).toBe(model);
    expect(blindTo(files, { ...model, takesImages: true })).toBeNull();
    expect(blindTo(files.slice(0, 1), model)).toBeNull();
    expect(blindTo(files, undefined)).toBeNull();
  });
});
