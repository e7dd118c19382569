import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";
import { compress } from "./compress.ts";
import { shell } from "./shell.ts";

const client = (entry: string) => fileURLToPath(new URL(`../../../packages/client-js/src/${entry}.ts`, import.meta.url));
const backend = "http://127.0.0.1:8000";

export default defineConfig({
  base: "./",
  plugins: [react(), shell(), compress()],
  resolve: { alias: { "@hubline/client/rooms": client("rooms"), "@hubline/client": client("index") } },
  // A font in the style sheet would be a `data:` address, which the server's content security policy refuses, with an error.
  build: { target: "es2022", sourcemap: false, assetsInlineLimit: (file) => (/\.(woff2?|ttf)$/.test(file) ? false : undefined) },
  server: { proxy: { "/api": backend, "/chatHub": { target: backend, ws: true } } },
  test: { environment: "node", include: ["tests/**/*.test.{ts,tsx}"], testTimeout: 120_000 },
});
