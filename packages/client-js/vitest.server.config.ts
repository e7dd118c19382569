import { defineConfig } from "vitest/config";

/** Run by `tests/interop/test_client_package.py`, which starts the server. */
export default defineConfig({
  test: { environment: "node", include: ["tests/server/**/*.test.ts"], testTimeout: 120_000, hookTimeout: 120_000 },
});
