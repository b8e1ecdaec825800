import { FulguriteError } from "../../gpu/error.ts";
import { joinDocument, parseDocument, replaceSource, type CellFlag } from "../document.ts";
import type { CellKind } from "../session-types.ts";

/** A cell of a notebook that comes from another format. */
export interface ComposedCell {
  readonly kind: CellKind;
  /** Kept where it can be one and is free; else it gets one. */
  readonly id?: string;
  readonly flags?: readonly string[];
  readonly source: string;
}

/** A notebook made from another format, and what of it could not be taken along. */
export interface Imported {
  /** `.nb.ts` text. */
  readonly text: string;
  /** One sentence each, for the person. */
  readonly notes: readonly string[];
}

export const HEADER = "// fulgurite: 1\n";
const FLAGS: readonly string[] = ["lazy", "fold", "hidden", "readonly"] satisfies CellFlag[];
const ID = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
const MAX_CELLS = 10_000;

/** Writes cells as `.nb.ts` text. Throws `FulguriteError` where there are too many. */
export function compose(cells: readonly ComposedCell[], preamble = HEADER): string {
  if (cells.length > MAX_CELLS) {
    throw new FulguriteError(
      "notebook/import-size",
      `The file has ${cells.length} cells; a notebook has at most ${MAX_CELLS}.`,
      "Split it into several notebooks.",
    );
  }
  const taken = new Set<string>();
  const wished = new Set(cells.flatMap(({ id }) => (id !== undefined && ID.test(id) ? [id] : [])));
  const named = cells.map(({ id, kind, flags = [], source }, index) => {
    let name = id !== undefined && ID.test(id) && !taken.has(id) ? id : "";
    for (let n = index + 1; name === ""; n++) {
      if (!taken.has(`cell-${n}`) && !wished.has(`cell-${n}`)) name = `cell-${n}`;
    }
    taken.add(name);
    const kept = FLAGS.filter((flag) => flags.includes(flag));
    return { kind, id: name, flags: kept, source: source.replace(/\r\n?/g, "\n").replace(/^\n+|\s+$/g, "") };
  });
  const bare = named.map(({ kind, id, flags }) => {
    const marker = ["// %%", ...(kind === "code" ? [] : [`[${kind}]`]), id, ...flags].join(" ");
    return `${marker}\n${kind === "md" ? "/*\n\n*/\n" : "\n"}`;
  });
  let document = parseDocument(`${preamble.replace(/\s*$/, "\n\n")}${bare.join("\n")}`);
  // What would end a cell is made harmless there.
  for (const { id, source } of named) document = replaceSource(document, id, source);
  return joinDocument(document).replace(/\n{3,}(?=\/\/ %%)/g, "\n\n");
}
