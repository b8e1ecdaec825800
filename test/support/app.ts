import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export interface BuiltApp {
  readonly directory: string;
  dispose(): Promise<void>;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = join(root, "node_modules/.cache/fulgurite");
const sources = ["src", "shaders", "public", "notebooks"];
const files = ["index.html", "kernel.html", "vite.config.ts", "package-lock.json"];

/** The app as `npm run build` makes it, in a temporary folder of one's own; built once for each state of the sources. */
export async function buildApp(): Promise<BuiltApp> {
  const kept = join(cache, `app-${hash()}`);
  if (!existsSync(kept)) await build(kept);
  const directory = mkdtempSync(join(tmpdir(), "fulgurite-app-"));
  cpSync(kept, directory, { recursive: true });
  return { directory, dispose: () => rm(directory, { recursive: true, force: true }) };
}

async function build(target: string): Promise<void> {
  mkdirSync(cache, { recursive: true });
  for (const old of readdirSync(cache)) {
    if (old.startsWith("app-")) await rm(join(cache, old), { recursive: true, force: true });
  }
  const fresh = mkdtempSync(join(cache, "building-"));
  // In a process of its own: under vitest NODE_ENV is "test", and Lit would be built in its development mode.
  await promisify(execFile)(
    process.execPath,
    [join(root, "node_modules/vite/bin/vite.js"), "build", "--outDir", fresh, "--logLevel", "warn"],
    { cwd: root, env: { ...process.env, NODE_ENV: "production" } },
  );
  await rename(fresh, target);
}

function hash(): string {
  const made = createHash("sha256");
  const named = sources.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  for (const name of [...files, ...named.sort()]) {
    if (name.endsWith(".test.ts") || !statSync(join(root, name)).isFile()) continue;
    made.update(name).update(readFileSync(join(root, name)));
  }
  return made.digest("hex").slice(0, 16);
}
