import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { compress } from "./compress.ts";
import { shell } from "./shell.ts";

const client = fileURLToPath(new URL("../../../packages/client-js/src/index.ts", import.meta.url));
const backend = "http://127.0.0.1:8000";

export default defineConfig({
  base: "./",
  plugins: [react(), shell(), compress()],
  resolve: { alias: { "@hubline/client": client } },
  build: { target: "es2022", sourcemap: false },
  server: { proxy: { "/api": backend, "/chatHub": { target: backend, ws: true } } },
  test: { environment: "node", include: ["tests/**/*.test.{ts,tsx}"], testTimeout: 120_000 },
});
