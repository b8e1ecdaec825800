import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import type { Plugin } from "vite";

const VIRTUAL = "virtual:fulgurite-declarations";
const RESOLVED = `\0${VIRTUAL}`;
const DEV_ROUTE = "/@fulgurite-declarations.json";

const root = fileURLToPath(new URL("../../..", import.meta.url));

/** Files by path: TypeScript's own under "/lib/", ours under "/api/", with "/api/index.d.ts" as "fulgurite". */
export type Declarations = Readonly<Record<string, string>>;

/**
 * The declarations that the page's language service reads, as one JSON file: TypeScript's libraries for a worker, and
 * those of the library itself, made from its sources with their comments. `virtual:fulgurite-declarations` is its
 * address.
 */
export function languageDeclarations(): Plugin {
  let serves = false;
  return {
    name: "fulgurite-declarations",
    configResolved(config) {
      serves = config.command === "serve";
    },
    resolveId(id) {
      return id === VIRTUAL ? RESOLVED : undefined;
    },
    async load(id) {
      if (id !== RESOLVED) return undefined;
      if (serves) return `export default ${JSON.stringify(DEV_ROUTE)};`;
      const asset = this.emitFile({
        type: "asset",
        name: "declarations.json",
        source: await declarations(),
      });
      return `export default import.meta.ROLLUP_FILE_URL_${asset};`;
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (request.url?.split("?")[0] !== DEV_ROUTE) {
          next();
          return;
        }
        declarations().then((json) => {
          response.setHeader("content-type", "application/json").end(json);
        }, next);
      });
    },
  };
}

/** As JSON; from a cache where no source has changed since, because making them takes seconds. */
export async function declarations(): Promise<string> {
  const source = join(root, "src");
  const hash = createHash("sha256").update(ts.version);
  for (const name of readdirSync(source, { recursive: true, encoding: "utf8" }).sort()) {
    if (!name.endsWith(".ts") || name.startsWith("ui/") || name.endsWith(".test.ts")) continue;
    const path = join(source, name);
    if (statSync(path).isFile()) hash.update(name).update(readFileSync(path));
  }
  const cache = join(root, "node_modules/.cache/fulgurite", `declarations-${hash.digest("hex")}.json`);
  const kept = await readFile(cache, "utf8").catch(() => null);
  if (kept !== null) return kept;
  const made = JSON.stringify({ ...libraries(), ...ownDeclarations() } satisfies Declarations);
  await mkdir(dirname(cache), { recursive: true });
  await writeFile(cache, made);
  return made;
}

/** What the cells' worker has: ECMAScript and the WebWorker globals. */
function libraries(): Declarations {
  const folder = dirname(ts.getDefaultLibFilePath({}));
  const found: Record<string, string> = {};
  const add = (name: string): void => {
    const file = `lib.${name}.d.ts`;
    if (`/lib/${file}` in found) return;
    const text = readFileSync(join(folder, file), "utf8");
    found[`/lib/${file}`] = text;
    for (const [, next] of text.matchAll(/\/\/\/ <reference lib="([^"]+)" \/>/g)) add(next!.toLowerCase());
  };
  add("es2024");
  add("webworker");
  return found;
}

/** The library's own, written by the compiler from `src/index.ts`. */
function ownDeclarations(): Declarations {
  const config = ts.getParsedCommandLineOfConfigFile(
    join(root, "tsconfig.json"),
    { noEmit: false, declaration: true, emitDeclarationOnly: true, allowImportingTsExtensions: true },
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined },
  );
  if (!config) throw new Error("tsconfig.json cannot be read");
  const program = ts.createProgram([join(root, "src/index.ts")], {
    ...config.options,
    outDir: "/api",
    rootDir: join(root, "src"),
  });
  const found: Record<string, string> = {};
  program.emit(
    undefined,
    (path, text) => {
      found[`/api/${relative("/api", path)}`] = text.replace(
        /(from|import\()\s*"(\.[^"]*)\.ts"/g,
        '$1 "$2.d.ts"',
      );
    },
    undefined,
    true,
  );
  if (!found["/api/index.d.ts"]) throw new Error("the library has no declarations");
  return found;
}
