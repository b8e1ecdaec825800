import { parseDocument } from "../document.ts";
import { compose, HEADER, type ComposedCell, type Imported } from "./compose.ts";

/**
 * A notebook as Markdown that reads well anywhere: text as it is, code in fences. Comments and the fences' info
 * strings keep ids, kinds and flags, so that `fromMarkdown` gives the same cells again.
 */
export function toMarkdown(text: string): string {
  const { cells, preamble } = parseDocument(text);
  const head = preamble.slice(preamble.indexOf("\n") + 1).trim();
  const parts = cells.map(({ id, kind, flags, source }) => {
    const name = [id, ...flags].join(" ");
    const plain = source.replaceAll("\r\n", "\n");
    if (kind === "md" && isPlain(plain)) return `<!-- %% ${name} -->\n\n${plain}`;
    const fence = "`".repeat(
      Math.max(3, ...[...plain.matchAll(/^\s*(`{3,})/gm)].map((run) => run[1]!.length + 1)),
    );
    const mark = kind === "code" ? "" : ` .${kind}`;
    return `${fence}${kind === "md" ? "md" : "ts"} {#${name}${mark}}\n${plain}\n${fence}`;
  });
  return `${[...(head === "" ? [] : [`<!-- preamble\n${head.replaceAll("--", "- -")}\n-->`]), ...parts].join("\n\n")}\n`;
}

/** Whether a cell's text stays one markdown cell when it is read again; one with an open fence would take the rest along. */
function isPlain(source: string): boolean {
  const probe = scan(["<!-- %% probe -->", "", ...source.split(/\r?\n/), "```ts {#end}", "```"]);
  return probe.length === 2 && probe[0]!.source === source.trim();
}

const FENCE = /^ {0,3}(`{3,}|~{3,})[ \t]*(.*)$/;
const OURS = /\{#([^}\s]+)((?:[ \t]+[.\w-]+)*)\s*\}/;
const COMMENT = /^<!-- %% (\S+)((?: \w+)*) -->\s*$/;
const LANGUAGES = /^(?:ts|typescript|js|javascript|tsx|jsx|mjs)\b/i;

/**
 * Markdown as a notebook. In one that we wrote, only our own fences are cells; in any other, every fence of
 * TypeScript or JavaScript is, and the text between two of them is a markdown cell.
 */
export function fromMarkdown(markdown: string): Imported {
  const cells = scan(markdown.replace(/^\uFEFF/, "").split(/\r?\n/));
  return { text: compose(withoutPreamble(cells), HEADER), notes: [] };
}

function scan(lines: readonly string[]): ComposedCell[] {
  const isOurs = lines.some((line) => OURS.test(FENCE.exec(line)?.[2] ?? "") || COMMENT.test(line));
  const cells: ComposedCell[] = [];
  let prose: string[] = [];
  let name: Pick<ComposedCell, "id" | "flags"> = {};
  const endProse = (): void => {
    const source = prose.join("\n").trim();
    if (source !== "" || name.id !== undefined) cells.push({ kind: "md", ...name, source });
    prose = [];
    name = {};
  };
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!;
    const comment = COMMENT.exec(line);
    if (comment) {
      endProse();
      name = { id: comment[1]!, flags: words(comment[2]!) };
      continue;
    }
    const fence = FENCE.exec(line);
    if (!fence) {
      prose.push(line);
      continue;
    }
    const end = closing(lines, i, fence[1]!);
    const body = lines.slice(i + 1, end);
    const mark = OURS.exec(fence[2]!);
    if (isOurs ? mark !== null : LANGUAGES.test(fence[2]!)) {
      endProse();
      const flags = words(mark?.[2] ?? "");
      const kind = flags.includes(".test") ? "test" : flags.includes(".md") ? "md" : "code";
      cells.push({ kind, ...(mark ? { id: mark[1]! } : {}), flags, source: body.join("\n") });
    } else {
      prose.push(...lines.slice(i, end + 1));
    }
    i = end;
  }
  endProse();
  return cells;
}

const words = (text: string): string[] => text.trim().split(/\s+/).filter(Boolean);

/** Index of the line that closes the fence; past the end where none does, as CommonMark has it. */
function closing(lines: readonly string[], from: number, fence: string): number {
  const close = new RegExp(`^ {0,3}\\${fence[0]!}{${fence.length},}[ \\t]*$`);
  for (let i = from + 1; i < lines.length; i++) if (close.test(lines[i]!)) return i;
  return lines.length;
}

/** Cells have the names that a preamble imports in scope without it. */
const withoutPreamble = (cells: readonly ComposedCell[]): ComposedCell[] =>
  cells.flatMap((cell, index) => {
    if (index > 0 || cell.kind !== "md" || !cell.source.startsWith("<!-- preamble")) return [cell];
    const rest = cell.source.replace(/^<!-- preamble[\s\S]*?-->\s*/, "");
    return rest === "" ? [] : [{ ...cell, source: rest }];
  });
