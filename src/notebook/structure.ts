import { FulguriteError } from "../gpu/error.ts";
import {
  joinDocument,
  parseDocument,
  replaceSource,
  type CellFlag,
  type DocumentCell,
  type NotebookDocument,
} from "./document.ts";
import type { CellKind } from "./session-types.ts";

/** A change of what cells there are, in what order, and what they are; one step of undo each. */
export type StructureEdit =
  /** `at` is the index that the new cell will have. Its id is `id` where that is free, else "cell-1", "cell-2", ... */
  | {
      readonly kind: "insert";
      readonly at: number;
      readonly cell: CellKind;
      readonly source?: string;
      readonly id?: string;
    }
  | { readonly kind: "delete"; readonly id: string }
  | { readonly kind: "duplicate"; readonly id: string }
  /** `to` is the index that the cell will have. */
  | { readonly kind: "move"; readonly id: string; readonly to: number }
  /** `at` counts characters of the cell's source with "\n" line ends; what follows becomes a cell of its own. */
  | { readonly kind: "split"; readonly id: string; readonly at: number }
  /** Takes the next cell of the same kind into this one. */
  | { readonly kind: "merge"; readonly id: string }
  | { readonly kind: "flag"; readonly id: string; readonly flag: CellFlag; readonly on: boolean }
  | { readonly kind: "kind"; readonly id: string; readonly cell: CellKind }
  | { readonly kind: "rename"; readonly id: string; readonly to: string }
  /** New sources of several cells at once, for example after renaming a name. */
  | { readonly kind: "sources"; readonly sources: Readonly<Record<string, string>> }
  /** Another document altogether: an older version, the original. */
  | { readonly kind: "replace"; readonly text: string };

/** The document after an edit, and the cell that a person should now see; null for none in particular. */
export interface StructureChange {
  readonly document: NotebookDocument;
  readonly cell: string | null;
}

/**
 * Applies an edit. Cells that it does not concern keep every byte, but for a line ending and a blank line where
 * the next cell begins. Throws `FulguriteError` (code "notebook/structure") where it cannot be done.
 */
export function applyStructure(document: NotebookDocument, edit: StructureEdit): StructureChange {
  const { eol } = document;
  const cells = document.cells.map((cell) => named(cell, eol));
  const find = (id: string): number => {
    const index = cells.findIndex((cell) => cell.id === id);
    if (index < 0) throw refused(`There is no cell \`${id}\`.`, "Use the id of a cell.");
    return index;
  };
  const write = (cell: string | null): StructureChange => ({
    document: rejoin(document.preamble, cells, eol),
    cell,
  });
  switch (edit.kind) {
    case "insert": {
      const id = edit.id !== undefined && !taken(cells, edit.id) ? edit.id : freeId(cells, "cell");
      cells.splice(clamp(edit.at, cells.length), 0, newCell(id, edit.cell, edit.source ?? "", eol));
      return write(id);
    }
    case "delete": {
      const index = find(edit.id);
      cells.splice(index, 1);
      return write(cells[Math.min(index, cells.length - 1)]?.id ?? null);
    }
    case "duplicate": {
      const index = find(edit.id);
      const old = cells[index]!;
      const id = freeId(cells, edit.id.replace(/-\d+$/, ""));
      cells.splice(index + 1, 0, {
        ...old,
        id,
        marker: markerLine(old.kind, id, old.flags, eol),
      });
      return write(id);
    }
    case "move": {
      const [cell] = cells.splice(find(edit.id), 1);
      cells.splice(clamp(edit.to, cells.length), 0, cell!);
      return write(edit.id);
    }
    case "split": {
      const index = find(edit.id);
      const old = cells[index]!;
      const source = old.source.replaceAll("\r\n", "\n");
      const [first, second] = [source.slice(0, edit.at), source.slice(edit.at)];
      if (first.trim() === "" || second.trim() === "") {
        throw refused("There is nothing to split there.", "Put the caret between two lines that have text.");
      }
      const id = freeId(cells, edit.id.replace(/-\d+$/, ""));
      cells[index] = withSource(old, first.trimEnd(), eol);
      cells.splice(index + 1, 0, newCell(id, old.kind, second.replace(/^(?:[ \t]*\n)+/, ""), eol, old.flags));
      return write(id);
    }
    case "merge": {
      const index = find(edit.id);
      const [first, second] = [cells[index]!, cells[index + 1]];
      if (!second)
        throw refused("There is no cell below to merge with.", "Choose the upper one of two cells.");
      if (first.kind !== second.kind) {
        throw refused(
          "Text and code cannot become one cell.",
          "Change the kind of one of them first, with M or Y.",
        );
      }
      const gap = first.kind === "md" ? "\n\n" : "\n";
      const parts = [first.source, second.source].map((part) => part.replaceAll("\r\n", "\n").trimEnd());
      cells.splice(index, 2, withSource(first, parts.filter(Boolean).join(gap), eol));
      return write(edit.id);
    }
    case "flag": {
      const index = find(edit.id);
      const old = cells[index]!;
      const flags = old.flags.filter((flag) => flag !== edit.flag);
      if (edit.on) flags.push(edit.flag);
      cells[index] = { ...old, flags, marker: markerLine(old.kind, old.id, flags, eol) };
      return write(edit.id);
    }
    case "kind": {
      const index = find(edit.id);
      const old = cells[index]!;
      if (old.kind === edit.cell) return { document, cell: edit.id };
      const flags = edit.cell === "md" ? old.flags.filter((flag) => flag !== "lazy") : old.flags;
      const source = old.source.replaceAll("\r\n", "\n");
      cells[index] = newCell(old.id, edit.cell, source, eol, flags);
      return write(edit.id);
    }
    case "rename": {
      const index = find(edit.id);
      if (edit.to !== edit.id && taken(cells, edit.to)) {
        throw refused(`There is a cell \`${edit.to}\` already.`, "Choose another name.");
      }
      const old = cells[index]!;
      cells[index] = { ...old, id: edit.to, marker: markerLine(old.kind, edit.to, old.flags, eol) };
      return write(edit.to);
    }
    case "sources": {
      let changed = document;
      for (const [id, source] of Object.entries(edit.sources)) changed = replaceSource(changed, id, source);
      return { document: changed, cell: null };
    }
    case "replace":
      return { document: parseDocument(edit.text), cell: null };
  }
}

/** A short name for the history and for undo: "delete cell", "move cell". */
export const structureWords = (edit: StructureEdit): string =>
  ({
    insert: "add cell",
    delete: "delete cell",
    duplicate: "duplicate cell",
    move: "move cell",
    split: "split cell",
    merge: "merge cells",
    flag: "change cell",
    kind: "change cell",
    rename: "rename cell",
    sources: "rename",
    replace: "restore version",
  })[edit.kind];

const clamp = (index: number, length: number): number => Math.max(0, Math.min(length, Math.trunc(index)));

const refused = (message: string, fix: string): FulguriteError =>
  new FulguriteError("notebook/structure", message, fix);

const taken = (cells: readonly DocumentCell[], id: string): boolean => cells.some((cell) => cell.id === id);

function freeId(cells: readonly DocumentCell[], stem: string): string {
  for (let n = stem === "cell" ? 1 : 2; ; n++) {
    const id = `${stem.slice(0, 56)}-${n}`;
    if (!taken(cells, id)) return id;
  }
}

function markerLine(kind: CellKind, id: string, flags: readonly CellFlag[], eol: string): string {
  const parts = ["// %%", ...(kind === "code" ? [] : [`[${kind}]`]), id, ...flags];
  return parts.join(" ") + eol;
}

/** A cell whose id was only its place gets it written down, or moving would change it. */
const named = (cell: DocumentCell, eol: string): DocumentCell =>
  new RegExp(`[ \\t]${cell.id}(?:[ \\t]|\\r?\\n|$)`).test(cell.marker)
    ? cell
    : { ...cell, marker: markerLine(cell.kind, cell.id, cell.flags, eol) };

function newCell(
  id: string,
  kind: CellKind,
  source: string,
  eol: "\n" | "\r\n",
  flags: readonly CellFlag[] = [],
): DocumentCell {
  const empty: DocumentCell = {
    id,
    kind,
    flags,
    marker: markerLine(kind, id, flags, eol),
    prefix: "",
    source: "",
    suffix: eol,
    line: 1,
  };
  return source === "" ? empty : withSource(empty, source, eol);
}

function withSource(cell: DocumentCell, source: string, eol: "\n" | "\r\n"): DocumentCell {
  const alone: NotebookDocument = { version: 1, preamble: "", cells: [cell], eol };
  return replaceSource(alone, cell.id, source).cells[0]!;
}

/** Joined, with every cell ending in a blank line before the next, and read again: what is kept can be opened. */
function rejoin(preamble: string, cells: readonly DocumentCell[], eol: string): NotebookDocument {
  const spaced = cells.map((cell, index) => {
    if (index === cells.length - 1) return cell;
    const text = cell.marker + cell.prefix + cell.source + cell.suffix;
    if (/\r?\n[ \t]*\r?\n$/.test(text)) return cell;
    return { ...cell, suffix: cell.suffix + (/\n$/.test(text) ? eol : eol + eol) };
  });
  const head = preamble === "" || preamble.endsWith("\n") ? preamble : preamble + eol;
  return parseDocument(joinDocument({ version: 1, preamble: head, cells: spaced, eol: eol as "\n" }));
}

/** The cell in which two versions of a document differ first, as it is in `after`; null where they are alike. */
export function firstDifference(before: NotebookDocument, after: NotebookDocument): string | null {
  const known = new Map(before.cells.map((cell, index) => [cell.id, { cell, index }]));
  for (const [index, cell] of after.cells.entries()) {
    const old = known.get(cell.id);
    if (old?.index !== index || old.cell.source !== cell.source || old.cell.marker !== cell.marker)
      return cell.id;
  }
  if (before.cells.length > after.cells.length) return after.cells.at(-1)?.id ?? null;
  return null;
}
