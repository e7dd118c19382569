import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const PACKAGE = fileURLToPath(new URL("../..", import.meta.url));
const ROOT = join(PACKAGE, "../..");
const FOLDER = join(PACKAGE, "tests/unit/dist");

/** What the examples take for granted. */
const GIVEN = `
declare const connection: import("@microsoft/signalr").HubConnection;
declare const runId: string, chatId: string, messageId: string, askId: string, room: string;
declare function show(token: string): void;
declare function render(...state: unknown[]): void;
declare function list(runs: readonly import("@hubline/client").RunInfo[]): void;
`;

const CONFIG = {
  extends: "../../../tsconfig.json",
  compilerOptions: {
    noUnusedLocals: false,
    paths: { "@hubline/client": ["../../../src/index.ts"], "@hubline/client/*": ["../../../src/*.ts"] },
  },
  include: ["."],
  exclude: [],
};

function examples(): string[] {
  const guides = readdirSync(join(ROOT, "docs/guides")).map((name) => join(ROOT, "docs/guides", name));
  const names: string[] = [];
  for (const page of [join(PACKAGE, "README.md"), ...guides]) {
    for (const [, language, code] of readFileSync(page, "utf-8").matchAll(/^```(tsx?)\n(.*?)^```$/gms)) {
      const name = `example-${names.length}.${language}`;
      writeFileSync(join(FOLDER, name), code ?? "");
      names.push(name);
    }
  }
  return names;
}

test("the types of every example in the documentation are right", { timeout: 120_000 }, () => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  const names = examples();
  writeFileSync(join(FOLDER, "given.d.ts"), GIVEN);
  writeFileSync(join(FOLDER, "tsconfig.json"), JSON.stringify(CONFIG));
  expect(names.length).toBeGreaterThanOrEqual(4);
  const run = () => execFileSync(join(PACKAGE, "node_modules/.bin/tsc"), ["--project", FOLDER], { encoding: "utf-8" });
  expect(run()).toBe("");
});
