import { defineConfig } from "vite";

/** The pages of `tests/browser`, which `tests/interop/test_client_package.py` opens. */
export default defineConfig({
  root: "tests/browser",
  base: "./",
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    minify: false,
    rolldownOptions: { input: ["tests/browser/index.html", "tests/browser/chat.html", "tests/browser/room.html"] },
  },
  // Strict Mode mounts twice in React's development build only.
  mode: "development",
  define: { "process.env.NODE_ENV": '"development"' },
});
