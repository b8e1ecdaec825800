import { parse, type CallExpression, type MetaProperty, type Program } from "acorn";
import { full } from "acorn-walk";
import { transform } from "sucrase";
import { FulguriteError } from "../gpu/error.ts";
import { analyzeNames } from "./names.ts";

/** `import { imported as local } from "from"`; `imported` is "*" for a namespace. */
export interface CellImport {
  readonly local: string;
  readonly imported: string;
  /** "fulgurite", a package that ships with the page, or an address. */
  readonly from: string;
  /** Of the cell, 1-based. */
  readonly line: number;
}

/** What the kernel knows of a cell's text before running it. */
export interface CellAnalysis {
  /** Script text with the same lines: types, imports and `export` blanked, a last expression handed to `CONTEXT.last`. */
  readonly code: string;
  /** Names that other cells see: top-level declarations, and imports under another name. */
  readonly defines: readonly string[];
  /** Names that it reads from outside itself: other cells', ours, or globals. */
  readonly free: readonly string[];
  /** Free names that it assigns. */
  readonly assigned: readonly string[];
  readonly imports: readonly CellImport[];
  /** Whether it calls `train(...)`, which makes it lazy. */
  readonly trains: boolean;
}

/** The one name that the evaluated text has beside the person's own. */
export const CONTEXT = "$fulgurite";

/** Its names are ours, in scope in every cell. */
export const PACKAGE = "fulgurite";

/** Analyses one cell's TypeScript. Throws `FulguriteError` (code "notebook/...") with the cell's line. */
export function analyzeCell(source: string): CellAnalysis {
  const { stripped, program } = read(source);
  // What a text does not mention need not be looked for in its tree.
  const mentionsImport = /\bimport\b/.test(stripped);
  if (mentionsImport) rejectImportMeta(program);
  const edits: Edit[] = [];
  const imports: CellImport[] = [];
  for (const statement of program.body) {
    const line = statement.loc?.start.line ?? 1;
    switch (statement.type) {
      case "ImportDeclaration": {
        const from = importable(String(statement.source.value), line);
        for (const specifier of statement.specifiers) {
          imports.push({ local: specifier.local.name, imported: importedName(specifier, from), from, line });
        }
        if (statement.specifiers.length === 0 && from !== PACKAGE) {
          imports.push({ local: "", imported: "*", from, line });
        }
        edits.push({ start: statement.start, end: statement.end, text: "" });
        break;
      }
      case "ExportNamedDeclaration":
        if (statement.source) throw reexport(line);
        edits.push({
          start: statement.start,
          end: statement.declaration ? statement.declaration.start : statement.end,
          text: "",
        });
        break;
      case "ExportAllDeclaration":
        throw reexport(line);
      case "ExportDefaultDeclaration":
        throw new FulguriteError(
          "notebook/export-default",
          "A cell has no default export.",
          "Give the value a name: `export const value = ...`.",
          { line },
        );
      default:
    }
  }
  if (mentionsImport) edits.push(...dynamicImports(program));
  const last = program.body.at(-1);
  if (last?.type === "ExpressionStatement" && last.directive === undefined) {
    const end = stripped[last.end - 1] === ";" ? last.end - 1 : last.end;
    edits.push({ start: last.start, end: last.start, text: `;${CONTEXT}.last((` });
    edits.push({ start: end, end, text: "))" });
  }
  const names = analyzeNames(program);
  const plain = new Set(
    imports
      .filter(({ local, imported, from }) => from === PACKAGE && local === imported)
      .map(({ local }) => local),
  );
  return {
    code: applyEdits(stripped, edits),
    defines: [...names.declared].filter((name) => !plain.has(name)),
    free: [...new Set([...names.free, ...plain])],
    assigned: [...names.assigned],
    imports,
    trains: MAY_TRAIN.test(stripped) && callsTrain(program, names.declared, imports),
  };
}

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** Replaces ranges that do not overlap; the newlines of a replaced range stay, so that lines keep their numbers. */
function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = "";
  let at = 0;
  for (const { start, end, text: replacement } of [...edits].sort(
    (a, b) => a.start - b.start || a.end - b.end,
  )) {
    result += text.slice(at, start) + replacement + text.slice(start, end).replace(/[^\n]/g, "");
    at = end;
  }
  return result + text.slice(at);
}

/** Blanks TypeScript's types line by line, as cells and rewards travel. Throws `FulguriteError` with the line. */
export function stripTypes(source: string): string {
  try {
    return transform(source, {
      transforms: ["typescript"],
      disableESTransforms: true,
      keepUnusedImports: true,
    }).code;
  } catch (error) {
    throw syntaxError(error);
  }
}

/** The text without its types, and its tree. */
function read(source: string): { readonly stripped: string; readonly program: Program } {
  // Text that JavaScript can read has no types, but for `f<T>(x)`, which it reads as comparisons.
  if (!source.includes("<")) {
    try {
      return { stripped: source, program: parseText(source) };
    } catch {
      // It has types, or an error of which it is better to speak with them away.
    }
  }
  const stripped = stripTypes(source);
  return { stripped, program: parseModule(stripped) };
}

const parseText = (code: string): Program =>
  parse(code, { ecmaVersion: 2024, sourceType: "module", locations: true });

function parseModule(code: string): Program {
  try {
    return parseText(code);
  } catch (error) {
    throw syntaxError(error);
  }
}

/** sucrase and acorn both carry `loc` and end their message with "(line:column)". */
function syntaxError(error: unknown): FulguriteError {
  const { message, loc } = error as { message?: unknown; loc?: { line?: unknown; column?: unknown } };
  const at = /\s*\((\d+):(\d+)\)\s*$/.exec(String(message));
  const line = typeof loc?.line === "number" ? loc.line : Number(at?.[1] ?? 1);
  const text = String(message)
    .replace(/^Error transforming [^:]*:\s*/, "")
    .replace(/\s*\(\d+:\d+\)\s*$/, "");
  return new FulguriteError("notebook/syntax", `${text}.`, "Correct this line.", { line, cause: error });
}

/** Packages by their name, with a path or without, and https addresses; http on this machine only. */
const IMPORTABLE =
  /^(?:(?:@[a-z0-9._~-]+\/)?[a-z0-9._~-]+(?:\/[\w.~/-]+)?|https:\/\/\S+|http:\/\/(?:localhost|127\.0\.0\.1)(?::\d+)?\/\S*)$/;

function importable(specifier: string, line: number): string {
  if (IMPORTABLE.test(specifier) && !/^\.{1,2}(?:\/|$)/.test(specifier)) return specifier;
  throw new FulguriteError(
    "notebook/import",
    `A cell cannot import "${specifier}".`,
    'Import from "fulgurite", a package that ships with the page or an https:// address; other cells\' names need no import.',
    { line },
  );
}

function importedName(
  specifier: { readonly type: string; readonly imported?: unknown },
  from: string,
): string {
  if (specifier.type === "ImportDefaultSpecifier") return from === PACKAGE ? "*" : "default";
  if (specifier.type !== "ImportSpecifier") return "*";
  const { name, value } = specifier.imported as { readonly name?: string; readonly value?: unknown };
  return name ?? String(value);
}

/** `import(...)` is the kernel's own: the browser's would reach for the network, which it may not. */
function dynamicImports(program: Program): Edit[] {
  const edits: Edit[] = [];
  full(program, (node) => {
    if (node.type !== "ImportExpression") return;
    edits.push({ start: node.start, end: node.start + "import".length, text: `${CONTEXT}.import` });
  });
  return edits;
}

function reexport(line: number): FulguriteError {
  return new FulguriteError(
    "notebook/import",
    "A cell cannot export from elsewhere.",
    "Import the names, then other cells see them.",
    { line },
  );
}

/** What makes a cell one that trains. */
const trainers = ["train", "sweep"];
/** One of them, or an escape by which it could be written otherwise. */
const MAY_TRAIN = new RegExp(`${trainers.join("|")}|\\\\u`);

function callsTrain(
  program: Program,
  declared: ReadonlySet<string>,
  imports: readonly CellImport[],
): boolean {
  const names = new Set(
    imports
      .filter(({ imported, from }) => from === PACKAGE && trainers.includes(imported))
      .map(({ local }) => local),
  );
  for (const name of trainers) if (!declared.has(name)) names.add(name);
  const namespaces = new Set(
    imports.filter(({ imported, from }) => from === PACKAGE && imported === "*").map(({ local }) => local),
  );
  let found = false;
  full(program, (node) => {
    if (node.type !== "CallExpression") return;
    const { callee } = node as CallExpression;
    if (callee.type === "Identifier") found ||= names.has(callee.name);
    else if (callee.type === "MemberExpression" && callee.object.type === "Identifier") {
      const isTrain = callee.property.type === "Identifier" && trainers.includes(callee.property.name);
      found ||= isTrain && namespaces.has(callee.object.name);
    }
  });
  return found;
}

function rejectImportMeta(program: Program): void {
  full(program, (node) => {
    if (node.type !== "MetaProperty" || (node as MetaProperty).meta.name !== "import") return;
    throw new FulguriteError(
      "notebook/import-meta",
      "A cell has no `import.meta`.",
      "Leave it out: a cell has no address of its own.",
      { line: node.loc?.start.line ?? 1 },
    );
  });
}
