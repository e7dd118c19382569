import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, test } from "vitest";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const FOLDER = join(PACKAGE, "tests/unit/dist/package");
const NAMES = {
  ".": ["attachRun", "connectionState", "iterate", "keepConnected", "watchRuns"],
  "./rooms": ["joinRoom"],
  "./react": ["useConnectionState", "useRun", "useRuns"],
  "./react-rooms": ["useRoom"],
  "./ai": ["chatTransport"],
};

test("what is built has the entries that the package names, for Node.js as it is", { timeout: 120_000 }, () => {
  rmSync(FOLDER, { recursive: true, force: true });
  const compiler = join(PACKAGE, "node_modules/.bin/tsc");
  execFileSync(compiler, ["--project", join(PACKAGE, "tsconfig.build.json"), "--outDir", join(FOLDER, "dist")]);
  copyFileSync(join(PACKAGE, "package.json"), join(FOLDER, "package.json"));
  const { exports } = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf-8")) as {
    exports: Record<string, { types: string; default: string }>;
  };
  for (const [entry, names] of Object.entries(NAMES)) {
    const { types, default: code } = exports[entry] ?? { types: "", default: "" };
    expect(existsSync(join(FOLDER, types))).toBe(true);
    const program = `console.log(Object.keys(await import(${JSON.stringify(pathToFileURL(join(FOLDER, code)))})).sort().join())`;
    const found = execFileSync("node", ["--input-type=module", "--eval", program], { encoding: "utf-8" });
    expect(found.trim().split(",")).toEqual(names);
  }
});

test("at run time nothing is imported but React, by the hooks", () => {
  const sources = ["index", "run", "runs", "content", "follow", "connection", "keep-connected", "iterate", "storage", "rooms", "ai", "chunks", "react", "pool", "shown-room", "react-rooms"];
  for (const name of sources) {
    const imports = [...readFileSync(join(PACKAGE, `src/${name}.ts`), "utf-8").matchAll(/^(?:import|export) (?!type ).* from "([^."].*)";$/gm)];
    expect(imports.map(([, from]) => from)).toEqual(name.startsWith("react") ? ["react"] : []);
  }
});
