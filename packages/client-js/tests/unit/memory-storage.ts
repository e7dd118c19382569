/** As `localStorage`: what it holds are its own properties. */
export function memoryStorage() {
  let room = Infinity;
  const held: Record<string, string> = {};
  const methods = {
    getItem: (key: string) => held[key] ?? null,
    setItem(key: string, value: string) {
      const used = Object.entries(held).reduce((sum, [name, kept]) => sum + (name === key ? 0 : kept.length), 0);
      if (used + value.length > room) throw new Error("QuotaExceededError");
      held[key] = value;
    },
    removeItem(key: string) {
      delete held[key];
    },
    limit(to: number) {
      room = to;
    },
  };
  return new Proxy(methods, {
    ownKeys: () => Object.keys(held),
    getOwnPropertyDescriptor: (_, key) => ({ value: held[String(key)], enumerable: true, configurable: true }),
  });
}
