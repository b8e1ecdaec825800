import { FulguriteError } from "../../gpu/error.ts";
import { parseDocument } from "../document.ts";
import type { CellState, Output } from "../session-types.ts";
import { compose, type ComposedCell, type Imported } from "./compose.ts";
import { outputText } from "./output-text.ts";

/** What a cell showed, for the exported file. */
export interface CellResult {
  readonly outputs: readonly Output[];
  readonly state: CellState;
}

const MAX_BYTES = 50_000_000;

/** A notebook as Jupyter's format 4.5, with what its cells showed where that is given. */
export function toIpynb(text: string, results: ReadonlyMap<string, CellResult> = new Map()): string {
  const { cells, preamble } = parseDocument(text);
  const written = cells.map(({ id, kind, flags, source }) => {
    const metadata = { fulgurite: { kind, flags } };
    const lines = sourceLines(source.replaceAll("\r\n", "\n"));
    if (kind === "md") return { cell_type: "markdown", id, metadata, source: lines };
    return {
      cell_type: "code",
      execution_count: null,
      id,
      metadata,
      outputs: outputsOf(results.get(id)),
      source: lines,
    };
  });
  const notebook = {
    cells: written,
    metadata: {
      kernelspec: { display_name: "Fulgurite (TypeScript)", language: "typescript", name: "fulgurite" },
      language_info: { file_extension: ".ts", mimetype: "text/typescript", name: "typescript" },
      fulgurite: { version: 1, preamble },
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
  return `${JSON.stringify(notebook, null, 1)}\n`;
}

/**
 * A Jupyter notebook (format 3 or 4) as a notebook of ours. Code in another language than JavaScript or TypeScript
 * becomes a fence in a markdown cell, so that nothing is lost. Outputs stay behind: results come from runs only.
 * Throws `FulguriteError` "notebook/ipynb" where the file is none.
 */
export function fromIpynb(text: string): Imported {
  const file = readFile(text);
  const notes = new Set<string>();
  const metadata = record(file["metadata"]);
  const language = String(
    record(metadata["language_info"])["name"] ?? record(metadata["kernelspec"])["language"] ?? "python",
  ).toLowerCase();
  const runs = /^(?:typescript|javascript|ts|js|deno|node)/.test(language);
  const worksheets = Array.isArray(file["worksheets"]) ? file["worksheets"] : [];
  const cells = list(file["cells"] ?? worksheets.flatMap((sheet) => list(record(sheet)["cells"])));
  const composed = cells.map((entry): ComposedCell => {
    const cell = record(entry);
    const own = record(record(cell["metadata"])["fulgurite"]);
    const source = joined(cell["source"] ?? cell["input"]);
    const id = typeof cell["id"] === "string" ? { id: cell["id"] } : {};
    const flags = list(own["flags"]).filter((flag): flag is string => typeof flag === "string");
    if (cell["attachments"] !== undefined) notes.add("Images that were attached to cells were left out.");
    if (list(cell["outputs"]).length > 0) notes.add("Outputs were left out: results come from a run here.");
    if (cell["cell_type"] !== "code") {
      const level = cell["cell_type"] === "heading" ? `${"#".repeat(Number(cell["level"]) || 1)} ` : "";
      return { kind: "md", ...id, flags, source: level + source };
    }
    if (runs) return { kind: own["kind"] === "test" ? "test" : "code", ...id, flags, source };
    notes.add(`Cells in ${language} cannot run here and became text.`);
    const fence = "`".repeat(Math.max(3, ...[...source.matchAll(/`{3,}/g)].map((run) => run[0].length + 1)));
    return { kind: "md", ...id, source: `${fence}${language}\n${source}\n${fence}` };
  });
  const preamble = record(metadata["fulgurite"])["preamble"];
  return { text: composeWith(composed, preamble), notes: [...notes] };
}

function composeWith(cells: readonly ComposedCell[], preamble: unknown): string {
  if (typeof preamble === "string") {
    try {
      // Only one that reads as a preamble; the file may come from anywhere.
      if (parseDocument(preamble).cells.length === 0) return compose(cells, preamble);
    } catch {
      return compose(cells);
    }
  }
  return compose(cells);
}

function readFile(text: string): Readonly<Record<string, unknown>> {
  const refuse = (message: string): FulguriteError =>
    new FulguriteError("notebook/ipynb", message, "Open a .ipynb file as Jupyter saves it.");
  if (text.length > MAX_BYTES) throw refuse(`The file has more than ${MAX_BYTES / 1e6} million characters.`);
  let file: unknown;
  try {
    file = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw refuse(`This is not JSON: ${(error as Error).message}.`);
  }
  const fields = record(file);
  if (!Array.isArray(fields["cells"]) && !Array.isArray(fields["worksheets"])) {
    throw refuse("This is not a Jupyter notebook: it has no cells.");
  }
  return fields;
}

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);

const joined = (source: unknown): string =>
  typeof source === "string"
    ? source
    : list(source)
        .filter((line) => typeof line === "string")
        .join("");

const sourceLines = (source: string): string[] => (source === "" ? [] : source.split(/(?<=\n)/));

function outputsOf(result: CellResult | undefined): unknown[] {
  if (!result) return [];
  const shown = result.outputs.map((output) =>
    output.view === "text"
      ? {
          name: output.stream === "out" ? "stdout" : "stderr",
          output_type: "stream",
          text: sourceLines(`${output.text}\n`),
        }
      : {
          data: { "text/plain": sourceLines(outputText(output)) },
          metadata: {},
          output_type: "display_data",
        },
  );
  if (result.state.kind !== "error") return shown;
  const { code, message, fix } = result.state.error;
  return [...shown, { ename: code, evalue: message, output_type: "error", traceback: [message, fix] }];
}
