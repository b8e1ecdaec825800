import { FulguriteError } from "../../gpu/error.ts";
import { parseDocument } from "../document.ts";
import { fromIpynb } from "./ipynb.ts";
import { fromMarkdown } from "./markdown.ts";
import { migrate, versionOf } from "./migrate.ts";
import { fromModule } from "./module.ts";
import type { Imported } from "./compose.ts";

export interface NotebookFile extends Imported {
  /** What the file was. */
  readonly format: "notebook" | "older-notebook" | "ipynb" | "markdown" | "module" | "html";
}

/**
 * Reads a file that a person opens: a notebook of any version, a Jupyter notebook, Markdown, a module, or a single
 * HTML file that we wrote. The name decides where the text does not. Throws `FulguriteError` "notebook/..." where it
 * is none of them. Nothing of it runs.
 */
export function readNotebookFile(name: string, text: string): NotebookFile {
  const extension = /\.([a-z]+)$/i.exec(name)?.[1]?.toLowerCase() ?? "";
  const version = versionOf(text);
  if (version !== null && (version > 0 || ["ts", "js", "mjs", "mts"].includes(extension))) {
    const migrated = migrate(text);
    parseDocument(migrated);
    return { format: migrated === text ? "notebook" : "older-notebook", text: migrated, notes: [] };
  }
  switch (extension) {
    case "ipynb":
      return { format: "ipynb", ...fromIpynb(text) };
    case "md":
    case "markdown":
      return { format: "markdown", ...fromMarkdown(text) };
    case "ts":
    case "js":
    case "mjs":
    case "mts":
      return { format: "module", ...fromModule(text) };
    case "html":
    case "htm":
      return { format: "html", text: fromSingleFile(text), notes: [] };
    default:
      throw new FulguriteError(
        "notebook/unknown-file",
        `${name} is no file that a notebook can be made of.`,
        "Open a .nb.ts, .ipynb, .md, .ts or .js file, or an HTML file that was exported here.",
      );
  }
}

/** The notebook inside a single HTML file. */
export function fromSingleFile(html: string): string {
  const data = /<script type="application\/json" id="fulgurite-notebook">([\s\S]*?)<\/script>/.exec(
    html,
  )?.[1];
  try {
    const { text } = JSON.parse(data ?? "") as { readonly text?: unknown };
    if (typeof text === "string") return joinChecked(text);
  } catch (error) {
    if (error instanceof FulguriteError) throw error;
  }
  throw new FulguriteError(
    "notebook/html",
    "There is no notebook in this HTML file.",
    "Open an HTML file that was exported here.",
  );
}

function joinChecked(text: string): string {
  const migrated = migrate(text);
  parseDocument(migrated);
  return migrated;
}
