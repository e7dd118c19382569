import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { build, type Rollup } from "vite";

const LIMIT = 5 * 1024;
const source = (name: string) => fileURLToPath(new URL(`../../src/${name}`, import.meta.url));

/** What a page has to load: minified, compressed by gzip, without what the application has anyway. */
async function compressed(entry: string): Promise<number> {
  const built = (await build({
    configFile: false,
    logLevel: "error",
    build: {
      write: false,
      target: "es2022",
      minify: true,
      lib: { entry: source(entry), formats: ["es"] },
      rollupOptions: { external: ["react", "ai", "@microsoft/signalr"] },
    },
  })) as Rollup.RollupOutput[];
  const code = built.flatMap(({ output }) => output).map((each) => ("code" in each ? each.code : ""));
  return gzipSync(code.join(""), { level: 9 }).length;
}

test("the core is below 5 KB compressed", { timeout: 120_000 }, async () => {
  const size = await compressed("index.ts");
  expect(size).toBeGreaterThan(1_000);
  expect(size).toBeLessThan(LIMIT);
});

test("so are its other entries, each with what it needs of the core", { timeout: 120_000 }, async () => {
  for (const entry of ["rooms.ts", "react.ts", "react-rooms.ts", "ai.ts"]) expect(await compressed(entry)).toBeLessThan(LIMIT);
});
