import { existsSync, readFileSync, statSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { FulguriteError } from "../gpu/error.ts";
import { parseDocument } from "../notebook/document.ts";
import { readNotebookFile } from "../notebook/formats/index.ts";
import { notebookRequests } from "../notebook/requests.ts";
import type { SingleFileOptions } from "../notebook/single-file.ts";
import { packageFile } from "../runner/packages.ts";

export interface NotebookSource {
  /** From the file's name. */
  readonly id: string;
  readonly text: string;
  readonly path: string;
  /** Of another format that was read. */
  readonly notes: readonly string[];
}

// Vite would take `new URL(..., import.meta.url)` for an asset.
const here = dirname(fileURLToPath(import.meta.url));
const isFile = (path: string): boolean => existsSync(path) && statSync(path).isFile();

/** The notebook that a person names: a file of any format that can be read, or one that ships. */
export async function readNotebook(name: string): Promise<NotebookSource> {
  const shipped = resolve(here, "../../notebooks", `${name}.nb.ts`);
  const path = [resolve(name), resolve(`${name}.nb.ts`), shipped].find(isFile);
  if (path === undefined) {
    const isFolder = existsSync(resolve(name));
    throw new FulguriteError(
      "cli/no-notebook",
      isFolder ? `"${name}" is a folder, not a notebook.` : `There is no notebook "${name}".`,
      "Pass a path to a .nb.ts file, or a name like cartpole.",
    );
  }
  const { text, notes } = readNotebookFile(basename(path), await readFile(path, "utf8"));
  return { id: basename(path).replace(/(?:\.nb)?\.[a-z]+$/i, ""), text, path, notes };
}

/** What `<id>.results.json` beside a notebook holds; null where there is none. */
export function readResults(path: string): unknown {
  const file = path.replace(/\.nb\.ts$/, ".results.json");
  if (file === path || !isFile(file)) return null;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as unknown;
  } catch {
    throw new FulguriteError(
      "cli/results",
      `${file} is not JSON.`,
      "Record the notebook again, or delete the file.",
    );
  }
}

/** What a single HTML file carries beside the notebook: the page's script, and the packages that its cells import. */
export async function readParts(text: string): Promise<Pick<SingleFileOptions, "script" | "packages">> {
  const { packages } = notebookRequests(parseDocument(text));
  const packed = packages.map(async (name) => [name, (await readPackage(name)).toString("base64")] as const);
  return { script: await readStandalone(), packages: Object.fromEntries(await Promise.all(packed)) };
}

const readPackage = (name: string): Promise<Buffer> =>
  readFile(built(join("packages", `${packageFile(name)}.gz`)));

/** Text of standalone.js, which carries the reader, the kernel and the trainer. */
const readStandalone = (): Promise<string> => readFile(built("standalone.js"), "utf8");

function built(name: string): string {
  const path = [resolve(here, name), resolve(here, "..", name)].find(isFile);
  if (path !== undefined) return path;
  throw new FulguriteError(
    "cli/not-built",
    `${name} is missing beside the command line.`,
    "Run `npm run build` first.",
  );
}
