import { defineConfig } from "vite";

/** The page of `tests/browser`, which `tests/interop/test_client_package.py` opens. */
export default defineConfig({
  root: "tests/browser",
  base: "./",
  build: { outDir: "dist", emptyOutDir: true, target: "es2022", minify: false },
  // Strict Mode mounts twice in React's development build only.
  mode: "development",
  define: { "process.env.NODE_ENV": '"development"' },
});
