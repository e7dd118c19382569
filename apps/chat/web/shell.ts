import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Plugin, Rollup } from "vite";

/** Which language a page will want when there is no network is not known, so all are kept. */
const CATALOGUE = /\/src\/language\/[a-z]{2}\.ts$/;

/** Writes `sw.js`, the service worker, with the files that a page needs for its start: none that are fetched later. */
export function shell(): Plugin {
  let root = "", publicDir = "";
  return {
    name: "shell",
    apply: "build",
    enforce: "post",
    configResolved(config) {
      [root, publicDir] = [config.root, config.publicDir];
    },
    generateBundle: {
      order: "post",
      handler(_, bundle) {
        const beside = readdirSync(publicDir).sort();
        const files = [...startFiles(bundle)].sort();
        const paths = ["./", ...beside.map((name) => `./${name}`), ...files.map((name) => `./${name}`)];
        const version = createHash("sha256").update(JSON.stringify(paths)).update(readFileSync(join(root, "index.html")));
        for (const name of beside) version.update(readFileSync(join(publicDir, name)));
        const source = readFileSync(join(root, "service-worker.js"), "utf8")
          .replace("__VERSION__", version.digest("hex").slice(0, 16))
          .replace("__SHELL__", JSON.stringify(paths));
        this.emitFile({ type: "asset", fileName: "sw.js", source });
      },
    },
  };
}

/** The entry, what it imports at once, their style sheets, and the languages. */
function startFiles(bundle: Rollup.OutputBundle): Set<string> {
  const found = new Set<string>();
  const take = (name: string) => {
    const chunk = bundle[name];
    if (chunk?.type !== "chunk" || found.has(name)) return;
    found.add(name);
    for (const style of chunk.viteMetadata?.importedCss ?? []) found.add(style);
    for (const each of chunk.imports) take(each);
  };
  for (const [name, chunk] of Object.entries(bundle)) if (chunk.type === "chunk" && (chunk.isEntry || CATALOGUE.test(chunk.facadeModuleId ?? ""))) take(name);
  return found;
}
