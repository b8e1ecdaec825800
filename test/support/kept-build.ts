import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** A folder of one's own, until `dispose`. */
export interface BuiltFolder {
  readonly directory: string;
  dispose(): Promise<void>;
}

export const root = fileURLToPath(new URL("../..", import.meta.url));
const cache = join(root, "node_modules/.cache/fulgurite");
/** All that what is built for a browser may be made of. */
const sources = ["src", "shaders", "public", "notebooks", "kernel.html", "package-lock.json"];

/** What `make` writes into an empty folder, made once for each state of the sources and of the files and folders `from`. */
export async function keptBuild(
  name: string,
  from: readonly string[],
  make: (directory: string) => Promise<unknown>,
): Promise<BuiltFolder> {
  const kept = join(cache, `${name}-${hash([...sources, ...from])}`);
  if (!existsSync(kept)) {
    mkdirSync(cache, { recursive: true });
    await oneAtATime(join(cache, `lock-${name}`), async () => {
      if (existsSync(kept)) return;
      for (const old of readdirSync(cache)) {
        if (old.startsWith(`${name}-`)) await rm(join(cache, old), { recursive: true, force: true });
      }
      const fresh = mkdtempSync(join(cache, "building-"));
      await make(fresh);
      await rename(fresh, kept);
    });
  }
  const directory = mkdtempSync(join(tmpdir(), `fulgurite-${name}-`));
  cpSync(kept, directory, { recursive: true });
  return { directory, dispose: () => rm(directory, { recursive: true, force: true }) };
}

/** Test files run in processes of their own: whoever comes second waits. The lock of a process that is gone is void. */
async function oneAtATime(lock: string, work: () => Promise<void>): Promise<void> {
  while (!(await written(lock))) {
    const owner = Number(await readFile(lock, "utf8").catch(() => ""));
    if (owner > 0 && !isRunning(owner)) await rm(lock, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 100));
  }
  try {
    await work();
  } finally {
    await rm(lock, { force: true });
  }
}

const written = (lock: string): Promise<boolean> =>
  writeFile(lock, String(process.pid), { flag: "wx" }).then(
    () => true,
    () => false,
  );

function isRunning(id: number): boolean {
  try {
    return process.kill(id, 0);
  } catch {
    return false;
  }
}

function hash(from: readonly string[]): string {
  const made = createHash("sha256");
  const named = from.flatMap((place) =>
    statSync(join(root, place)).isFile()
      ? [place]
      : readdirSync(join(root, place), { recursive: true, encoding: "utf8" })
          .sort()
          .map((name) => join(place, name)),
  );
  for (const name of named) {
    if (name.endsWith(".test.ts") || !statSync(join(root, name)).isFile()) continue;
    made.update(name).update(readFileSync(join(root, name)));
  }
  return made.digest("hex").slice(0, 16);
}
