// Writes one JSON line for each test that ended, for the pytest wrapper.
export default async function* reporter(source) {
  for await (const { type, data } of source) {
    if (type === "test:pass" || type === "test:fail") {
      if (data.details?.type === "suite") continue;
      const error = data.details?.error;
      const text = error ? String(error.cause?.stack ?? error.stack ?? error.message ?? error) : undefined;
      yield `${JSON.stringify({ name: data.name, ok: type === "test:pass", skipped: data.skip, ms: data.details?.duration_ms, error: text })}\n`;
    } else if (type === "test:stderr") {
      yield `${JSON.stringify({ stderr: data.message })}\n`;
    }
  }
}
