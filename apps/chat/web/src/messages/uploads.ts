import type { FileInfo, Model } from "../connection/contract";
import { number, t } from "../language/language";
import { randomId } from "../ui/ids";
import { isRecord, readJson, type Box } from "../ui/storage";
import { Store } from "../ui/store";

/** The server's side of files. */
export interface FileServer {
  /** Sends a file for a message in a room. Raises an error with a sentence for people. */
  upload(roomId: string, file: File, progress: (share: number) => void, signal: AbortSignal): Promise<FileInfo>;
  discard(fileId: string): Promise<void>;
  url(file: FileInfo): string;
  /** Where a whole room can be downloaded. */
  exportUrl(roomId: string, format: "markdown" | "json"): string;
}

/** A file that is attached to what is being written in a room. */
export interface Upload {
  key: string;
  name: string;
  size: number;
  state: "waiting" | "sending" | "done" | "failed";
  /** From 0 to 1. */
  progress: number;
  error: string | null;
  /** What the server has; null until it has all of it. */
  file: FileInfo | null;
}

/** Files that one message can have. */
export const FILES_LIMIT = 10;
/** Uploads at the same time; the server takes four of one person. */
const AT_ONCE = 3;
const NOTHING: readonly Upload[] = [];

interface Job {
  roomId: string;
  source: File;
  stop: AbortController;
}

/** The files of what is being written in each room. Those that have arrived outlive the page; the others do not. */
export class Uploads {
  /** The largest file in bytes; 0: no files can be sent. */
  readonly limit = new Store(0);
  readonly server: FileServer;
  readonly #box: Box;
  readonly #rooms = new Map<string, Store<readonly Upload[]>>();
  readonly #jobs = new Map<string, Job>();
  #running = 0;

  constructor(box: Box, server: FileServer) {
    this.#box = box;
    this.server = server;
  }

  of(roomId: string): Store<readonly Upload[]> {
    let uploads = this.#rooms.get(roomId);
    if (!uploads) {
      const kept = readJson(this.#box, keyOf(roomId), isFiles) ?? [];
      this.#rooms.set(roomId, (uploads = new Store<readonly Upload[]>(kept.map(arrived))));
    }
    return uploads;
  }

  /** Attaches files; returns a sentence about those that cannot be. */
  add(roomId: string, files: readonly File[]): string | null {
    const free = Math.max(0, FILES_LIMIT - this.of(roomId).value.length);
    const fits = files.filter((file) => file.size > 0 && file.size <= this.limit.value);
    for (const source of fits.slice(0, free)) {
      const upload: Upload = { key: randomId(), name: source.name || "image.png", size: source.size, state: "waiting", progress: 0, error: null, file: null };
      this.#jobs.set(upload.key, { roomId, source, stop: new AbortController() });
      this.of(roomId).update((all) => [...all, upload]);
    }
    this.#next();
    if (this.limit.value === 0) return t("Files cannot be sent here.");
    const refused = files.find((file) => !fits.includes(file));
    if (refused) return refused.size === 0 ? t("{name} is empty.", { name: refused.name }) : t("{name} is too large: a file can have {size}.", { name: refused.name, size: sizeOf(this.limit.value) });
    return fits.length > free ? t("A message can have {count} files.", { count: FILES_LIMIT }) : null;
  }

  retry(roomId: string, key: string): void {
    this.#change(roomId, key, { state: "waiting", progress: 0, error: null });
    this.#next();
  }

  /** Takes a file off again; the server forgets it. */
  remove(roomId: string, key: string): void {
    const upload = this.of(roomId).value.find((each) => each.key === key);
    this.#jobs.get(key)?.stop.abort();
    this.#jobs.delete(key);
    this.#keep(roomId, this.of(roomId).value.filter((each) => each.key !== key));
    if (upload?.file) this.server.discard(upload.file.id).catch(() => undefined); // it is deleted later in any case
  }

  /** The files that have arrived, for a message: they are its own then. */
  take(roomId: string): readonly FileInfo[] {
    const files = filesOf(this.of(roomId).value);
    this.#keep(roomId, this.of(roomId).value.filter((each) => !each.file));
    return files;
  }

  /** The files of a message that was taken back. */
  putBack(roomId: string, files: readonly FileInfo[]): void {
    if (files.length > 0) this.#keep(roomId, [...files.map(arrived), ...this.of(roomId).value]);
  }

  #next(): void {
    for (const [key, job] of this.#jobs) {
      if (this.#running >= AT_ONCE) return;
      if (this.of(job.roomId).value.find((each) => each.key === key)?.state === "waiting") void this.#send(key, job);
    }
  }

  async #send(key: string, { roomId, source, stop }: Job): Promise<void> {
    this.#running++;
    this.#change(roomId, key, { state: "sending" });
    try {
      const file = await this.server.upload(roomId, source, (progress) => this.#change(roomId, key, { progress }), stop.signal);
      this.#jobs.delete(key);
      this.#change(roomId, key, { state: "done", progress: 1, file });
    } catch (error) {
      this.#change(roomId, key, { state: "failed", error: error instanceof Error ? error.message : t("It could not be sent.") });
    } finally {
      this.#running--;
      this.#next();
    }
  }

  #change(roomId: string, key: string, change: Partial<Upload>): void {
    this.#keep(roomId, this.of(roomId).value.map((each) => (each.key === key ? { ...each, ...change } : each)));
  }

  #keep(roomId: string, uploads: readonly Upload[]): void {
    this.of(roomId).set(uploads.length === 0 ? NOTHING : uploads);
    const files = filesOf(uploads);
    if (files.length === 0) this.#box.remove(keyOf(roomId));
    else this.#box.write(keyOf(roomId), JSON.stringify(files));
  }
}

/** A size in words: `1.4 MB`. */
export function sizeOf(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const [size, unit] = bytes < 1_000_000 ? [bytes / 1000, "kB"] : [bytes / 1_000_000, "MB"];
  return `${number(size < 10 ? Number(size.toFixed(1)) : Math.round(size))} ${unit}`;
}

/** Is it shown in the page? */
export function isImage(file: FileInfo): boolean {
  return file.width != null && file.height != null;
}

/** The model of a question, if there is a picture in it that the model does not see. */
export function blindTo(uploads: readonly Upload[], model: Model | undefined): Model | null {
  return model && !model.takesImages && uploads.some(({ file }) => file !== null && isImage(file)) ? model : null;
}

export function isFile(value: unknown): value is FileInfo {
  return isRecord(value) && typeof value.id === "string" && typeof value.name === "string" && typeof value.type === "string" && typeof value.size === "number";
}

export function isFiles(value: unknown): value is FileInfo[] {
  return Array.isArray(value) && value.every(isFile);
}

function filesOf(uploads: readonly Upload[]): FileInfo[] {
  return uploads.map((each) => each.file).filter((file) => file !== null);
}

function arrived(file: FileInfo): Upload {
  return { key: file.id, name: file.name, size: file.size, state: "done", progress: 1, error: null, file };
}

function keyOf(roomId: string): string {
  return `files.${roomId}`;
}
