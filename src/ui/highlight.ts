import { classHighlighter, highlightTree } from "@lezer/highlight";
import { parser } from "@lezer/javascript";

/** A stretch of code and the classes ("tok-keyword") to colour it by; "" for plain text. */
export interface Stretch {
  readonly text: string;
  readonly classes: string;
}

const typeScript = parser.configure({ dialect: "ts" });

/** Splits TypeScript into stretches in reading order; joined, they are the source again. */
export function highlight(source: string): Stretch[] {
  const stretches: Stretch[] = [];
  let end = 0;
  highlightTree(typeScript.parse(source), classHighlighter, (from, to, classes) => {
    if (from > end) stretches.push({ text: source.slice(end, from), classes: "" });
    stretches.push({ text: source.slice(from, to), classes });
    end = to;
  });
  if (end < source.length) stretches.push({ text: source.slice(end), classes: "" });
  return stretches;
}
