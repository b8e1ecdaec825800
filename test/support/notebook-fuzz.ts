import { FulguriteError } from "../../src/gpu/error.ts";
import { random4 } from "../../src/kernels/philox.ts";
import { joinDocument, parseDocument } from "../../src/notebook/document.ts";
import {
  fromIpynb,
  fromMarkdown,
  fromModule,
  migrate,
  readNotebookFile,
  toIpynb,
  toMarkdown,
  toModule,
} from "../../src/notebook/formats/index.ts";

/** A keyed source of whole numbers below a bound. */
export function draws(seed: number): (below: number) => number {
  const words = new Uint32Array(4);
  let step = 0;
  return (below) => {
    random4(seed, 0, 0, step++, words);
    return words[0]! % below;
  };
}

const pieces = [
  "// fulgurite: 1\n",
  "// %% a lazy\n",
  "// %% [md] b\n",
  "// %% [test] c fold\n",
  "// %%\n",
  "//%% d\n",
  "/*\n# T\n*/\n",
  "*/",
  "/*",
  "const x = 1;\n",
  'import { a } from "fulgurite";\n',
  "```ts {#x lazy}\n",
  "````\n",
  "```\n",
  "~~~js\n",
  "<!-- %% e fold -->\n",
  "<!-- preamble\n",
  "-->",
  '{"cells":[',
  '{"cell_type":"code","source":["a\\n","b"],"id":"q"},',
  '{"cell_type":"markdown","source":"m"}',
  '],"metadata":{},"nbformat":4}',
  '{"__proto__":{"polluted":1}}',
  "\r\n",
  "\n\n",
  "\u2028",
  "\uFEFF",
  "\u0000",
  "😀",
  "é",
  "`${",
  "}`",
  "'",
  '"',
  "\\",
  "((((((",
];

/** A text that a person or an enemy could open: a good one bent, or pieces of all formats thrown together. */
export function fuzzText(draw: (below: number) => number, seeds: readonly string[]): string {
  let text = draw(3) === 0 ? "" : seeds[draw(seeds.length)]!;
  const changes = 1 + draw(8);
  for (let i = 0; i < changes; i++) {
    const at = draw(text.length + 1);
    switch (draw(5)) {
      case 0:
        text = text.slice(0, at) + pieces[draw(pieces.length)]! + text.slice(at);
        break;
      case 1:
        text = text.slice(0, at) + text.slice(Math.min(text.length, at + draw(200)));
        break;
      case 2: {
        const from = draw(text.length + 1);
        text = text.slice(0, at) + text.slice(from, from + draw(300)) + text.slice(at);
        break;
      }
      case 3:
        text = text.slice(0, at) + String.fromCharCode(draw(0x250)) + text.slice(at + 1);
        break;
      default:
        for (let n = draw(12); n >= 0; n--) text += pieces[draw(pieces.length)]!;
    }
  }
  return text;
}

const parsers: Readonly<Record<string, (text: string) => string>> = {
  document: (text) => joinDocument(parseDocument(text)),
  migrate: (text) => migrate(text),
  ipynb: (text) => fromIpynb(text).text,
  markdown: (text) => fromMarkdown(text).text,
  module: (text) => fromModule(text).text,
  file: (text) => readNotebookFile("x.html", text).text,
};

const cellsOf = (text: string): unknown[] =>
  parseDocument(text).cells.map(({ id, kind, flags, source }) => ({
    id,
    kind,
    flags: [...flags].sort(),
    // A lone carriage return becomes a line's end, and blank lines around a cell are layout.
    source: source.replace(/\r\n?/g, "\n").trim(),
  }));

/**
 * Holds every parser to its word on one text: it gives a notebook that reads back, or a named error; a notebook
 * joins to the same bytes; what is exported comes back as the same cells.
 */
export function checkParsers(text: string): void {
  for (const [name, parse] of Object.entries(parsers)) {
    let result: string;
    try {
      result = parse(text);
    } catch (error) {
      if (error instanceof FulguriteError && error.code.startsWith("notebook/")) continue;
      throw new Error(`${name} threw ${String(error)} on ${JSON.stringify(text)}`, { cause: error });
    }
    if (name === "document" && result !== text) throw new Error(`not byte-exact: ${JSON.stringify(text)}`);
    if (name === "document") checkRoundTrips(text);
    else if (name !== "migrate") parseDocument(result);
  }
  if ("polluted" in {}) throw new Error(`polluted by ${JSON.stringify(text)}`);
}

function checkRoundTrips(text: string): void {
  const cells = cellsOf(text).map((cell) => JSON.stringify(cell));
  for (const [name, back] of [
    ["ipynb", () => fromIpynb(toIpynb(text)).text],
    ["markdown", () => fromMarkdown(toMarkdown(text)).text],
  ] as const) {
    const again = cellsOf(back()).map((cell) => JSON.stringify(cell));
    const index = Array.from({ length: Math.max(cells.length, again.length) }).findIndex(
      (_, i) => cells[i] !== again[i],
    );
    if (index >= 0) throw new Error(`${name} gave ${again[index]} for ${cells[index]}`);
  }
  toModule(text);
}
