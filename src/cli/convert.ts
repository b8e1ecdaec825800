import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { FulguriteError } from "../gpu/error.ts";
import { parseDocument, titleOf } from "../notebook/document.ts";
import { toIpynb, toMarkdown, toModule } from "../notebook/formats/index.ts";
import { singleFile } from "../notebook/single-file.ts";
import { readNotebook, readParts, readResults, type NotebookSource } from "./notebook-file.ts";

export const exportFormats = ["html", "ipynb", "md", "ts", "js"] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportCommand {
  readonly notebook: string;
  readonly to: ExportFormat;
  /** File to write; "-" for standard output, undefined for one beside here named after the notebook. */
  readonly out: string | undefined;
}

/** `fulgurite export`: a notebook in another format; an HTML file carries its recorded results. */
export async function exportNotebook({ notebook: name, to, out }: ExportCommand): Promise<number> {
  const notebook = await readNotebook(name);
  await write(out ?? `${notebook.id}.${to}`, await exported(notebook, to));
  return 0;
}

async function exported({ id, text, path }: NotebookSource, to: ExportFormat): Promise<string> {
  switch (to) {
    case "html": {
      const title = titleOf(parseDocument(text)) ?? id;
      return singleFile({ id, title, text, results: readResults(path), ...(await readParts(text)) });
    }
    case "ipynb":
      return toIpynb(text);
    case "md":
      return toMarkdown(text);
    case "ts":
    case "js":
      return toModule(text, to);
  }
}

/** `fulgurite convert`: a file of another format, or an older notebook, as a notebook of the present version. */
export async function convertNotebook(name: string, out: string | undefined): Promise<number> {
  const { id, text, path, notes } = await readNotebook(name);
  for (const note of notes) console.error(note);
  const target = out ?? `${id}.nb.ts`;
  if (out === undefined && basename(path) === target) {
    throw new FulguriteError(
      "cli/usage",
      `${name} is a notebook already.`,
      "Pass --out to write it elsewhere, or `fulgurite export` for other formats.",
    );
  }
  await write(target, text);
  return 0;
}

async function write(target: string, content: string): Promise<void> {
  if (target === "-") {
    process.stdout.write(content);
    return;
  }
  try {
    await writeFile(target, content);
  } catch (error) {
    throw new FulguriteError(
      "cli/write",
      `${target} cannot be written: ${(error as Error).message}.`,
      "Pass another path with --out.",
    );
  }
  console.error(`wrote ${target}`);
}
