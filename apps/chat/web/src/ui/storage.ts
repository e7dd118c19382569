/** The part of the browser's storage we use. */
export interface Box {
  read(key: string): string | null;
  write(key: string, value: string): void;
  remove(key: string): void;
  keys(prefix: string): string[];
}

const PREFIX = "hubline.";

/** A box in the browser's storage. Where storage is forbidden or full, nothing breaks: the page forgets on reload. */
export function browserBox(storage: () => Storage): Box {
  const attempt = <T>(work: (store: Storage) => T, otherwise: T): T => {
    try {
      return work(storage());
    } catch {
      return otherwise;
    }
  };
  return {
    read: (key) => attempt((store) => store.getItem(PREFIX + key), null),
    write: (key, value) => attempt((store) => store.setItem(PREFIX + key, value), undefined),
    remove: (key) => attempt((store) => store.removeItem(PREFIX + key), undefined),
    keys: (prefix) =>
      attempt((store) => {
        const names = Array.from({ length: store.length }, (_, index) => store.key(index) ?? "");
        return names.filter((name) => name.startsWith(PREFIX + prefix)).map((name) => name.slice(PREFIX.length));
      }, []),
  };
}

/** A box that lives as long as the page. */
export function memoryBox(): Box {
  const values = new Map<string, string>();
  return {
    read: (key) => values.get(key) ?? null,
    write: (key, value) => void values.set(key, value),
    remove: (key) => void values.delete(key),
    keys: (prefix) => [...values.keys()].filter((key) => key.startsWith(prefix)),
  };
}

/** The part of a box that begins with `prefix`: what one person has in the storage that all share. */
export function partOf(box: Box, prefix: string): Box {
  return {
    read: (key) => box.read(prefix + key),
    write: (key, value) => box.write(prefix + key, value),
    remove: (key) => box.remove(prefix + key),
    keys: (more) => box.keys(prefix + more).map((key) => key.slice(prefix.length)),
  };
}

/** A JSON value from a box, or null when it is not there or not of the shape `check` wants. */
export function readJson<T>(box: Box, key: string, check: (value: unknown) => value is T): T | null {
  try {
    const value: unknown = JSON.parse(box.read(key) ?? "null");
    return check(value) ? value : null;
  } catch {
    return null;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
