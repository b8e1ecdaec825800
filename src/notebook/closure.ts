import { parse, type Expression, type Program, type Statement as AcornStatement } from "acorn";
import { FulguriteError } from "../gpu/error.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import { CONTEXT, PACKAGE, type CellAnalysis, type CellImport } from "./analyze.ts";
import { analyzeNames } from "./names.ts";
import { describeValue, portability } from "./portability.ts";

/** A cell as closures see it. */
export interface ClosureCell {
  readonly analysis: CellAnalysis;
  /** Names that it takes from other cells, and from which. */
  readonly dependencies: ReadonlyMap<string, string>;
  /** Present value of a name that the cell defines; throws while it is not initialised. */
  value(name: string): unknown;
}

/** The cells that code may depend on. */
export interface ClosureNotebook {
  /** Ids, dependencies first. */
  readonly order: readonly string[];
  /** Our own names in cells. */
  readonly ours: ReadonlySet<string>;
  cell(id: string): ClosureCell;
  /** What declares these imports of other modules, which were loaded before. */
  library(imports: readonly CellImport[]): Pick<CodeSource, "library" | "packages">;
}

/** Where a closure begins. */
export interface ClosureRoot {
  /** "agent" or "reward", for errors. */
  readonly what: string;
  /** Id of its cell. */
  readonly cell: string;
  /** The expression that gives the agent or the reward, as text of that cell. */
  readonly entry: string;
  /** Its line in the cell, 1-based. */
  readonly line: number;
}

/** What our definers are inside workers: they give what they were given. */
const DEFINERS: Readonly<Record<string, string>> = {
  defineAgent: "(name, run) => run",
  defineReward: "(reward) => reward",
};

/**
 * The source by which an agent or a reward travels. Names that the entry needs from its cell or from others are
 * followed: cloneable values are copied as they are now; a function or a class, or a plain object or list that holds
 * some, travels as the statement that declares it, with what that statement needs in turn and with statements that
 * write into it (`f.cache = ...`, `list.push(...)`), in the order of the cells. Throws "notebook/uncloneable-capture"
 * for anything else; what is imported travels as a library; a name that no cell defines is the worker's own.
 */
export function closureOf(root: ClosureRoot, notebook: ClosureNotebook): CodeSource {
  const values = new Map<string, unknown>();
  const statements = new Map<string, Set<Statement>>();
  const definers = new Map<string, string>();
  const modules = new Map<string, CellImport>();
  const seen = new Set<string>();

  const refuse = (why: string, fix: string): never => {
    throw new FulguriteError("notebook/uncloneable-capture", why, fix, { line: root.line });
  };

  const include = (id: string, statement: Statement): void => {
    const known = statements.get(id) ?? new Set();
    statements.set(id, known);
    if (known.has(statement)) return;
    known.add(statement);
    if (!parseBody(statement.text)) {
      refuse(
        `The ${root.what} needs \`${[...statement.declared].join("`, `")}\` of the cell \`${id}\`, which is awaited there and cannot be evaluated again in a worker.`,
        "Await it inside the function that uses it.",
      );
    }
    for (const name of statement.free) need(id, name);
    for (const other of statementsOf(notebook.cell(id).analysis)) {
      if (other.target !== null && statement.declared.has(other.target)) include(id, other);
    }
  };

  const ours = (local: string, imported: string): void => {
    const definer = DEFINERS[imported];
    if (definer !== undefined) definers.set(local, definer);
    else if (imported === "*" || (notebook.ours.has(imported) && imported !== "console")) {
      refuse(
        `The ${root.what} uses \`${local}\`, which works in cells only.`,
        "Use it outside the function; what agents and rewards may use travels to a worker of their own.",
      );
    }
  };

  const need = (id: string, name: string): void => {
    const key = `${id} ${name}`;
    if (seen.has(key)) return;
    seen.add(key);
    const cell = notebook.cell(id);
    const owner = statementsOf(cell.analysis).find(({ declared }) => declared.has(name));
    if (owner) {
      const value = cell.value(name);
      switch (portability(value)) {
        case "data":
          values.set(name, copy(id, name, value));
          return;
        case "code":
          include(id, owner);
          return;
        case "none":
          refuse(
            `The ${root.what} needs \`${name}\` of the cell \`${id}\`, which is ${describeValue(value)} and cannot travel to a worker.`,
            "Make it inside the function that uses it, or keep plain data: texts, numbers, lists, plain objects, maps and sets.",
          );
      }
    }
    const from = cell.dependencies.get(name);
    const imported = cell.analysis.imports.find(({ local }) => local === name);
    if (from !== undefined) need(from, name);
    else if (imported && imported.from !== PACKAGE) modules.set(name, imported);
    else ours(name, imported?.imported ?? name);
  };

  const copy = (id: string, name: string, value: unknown): unknown => {
    try {
      return structuredClone(value);
    } catch (error) {
      return refuse(
        `The ${root.what} needs \`${name}\` of the cell \`${id}\`, which cannot be copied: ${String(error)}`,
        "Keep plain data in it.",
      );
    }
  };

  const entry = parseBody(`return (${root.entry}\n);`);
  if (!entry) {
    return refuse(
      `The ${root.what} is awaited where it is defined, and cannot be evaluated again in a worker.`,
      `Await inside the ${root.what}.`,
    );
  }
  for (const name of analyzeNames(entry).free) need(root.cell, name);

  const included = notebook.order.flatMap((id) =>
    [...(statements.get(id) ?? [])].sort((a, b) => a.start - b.start),
  );
  for (const { declared } of included) for (const name of declared) values.delete(name);
  // `var`: where code is evaluated in Node, the same name may be a parameter of the function around it.
  const head = [...definers].map(([name, text]) => `var ${name} = ${text};`);
  const code = ['"use strict";', ...head, ...included.map(({ text }) => text)].join("\n");
  const library = modules.size === 0 ? {} : notebook.library([...modules.values()]);
  return { code, entry: root.entry, values: Object.fromEntries(values), ...library };
}

/** One statement at the top of a cell. */
interface Statement {
  readonly start: number;
  readonly text: string;
  readonly declared: ReadonlySet<string>;
  readonly free: ReadonlySet<string>;
  /** The variable that an expression statement writes into or calls a method of; null for others. */
  readonly target: string | null;
}

const parsed = new WeakMap<CellAnalysis, readonly Statement[]>();

function statementsOf(analysis: CellAnalysis): readonly Statement[] {
  let statements = parsed.get(analysis);
  if (!statements) {
    statements = parseCell(analysis.code).body.map((statement) =>
      readStatement(statement as AcornStatement, analysis.code),
    );
    parsed.set(analysis, statements);
  }
  return statements;
}

/** The evaluated text of a cell. */
export const parseCell = (code: string): Program =>
  parse(code, { ecmaVersion: 2024, sourceType: "module", locations: true });

/** Null where the text is none that a plain function in strict mode may hold: it awaits. */
function parseBody(text: string): Program | null {
  try {
    // In a script `await` would be a name like any other, and at the top of a module it is allowed.
    return parse(`() => {${text}\n}`, { ecmaVersion: 2024, sourceType: "module" });
  } catch {
    return null;
  }
}

function readStatement(statement: AcornStatement, code: string): Statement {
  let { start, end } = statement;
  let target: string | null = null;
  if (statement.type === "ExpressionStatement") {
    // A last expression is handed to the context: what is written is its argument.
    const { expression } = statement;
    const last = lastArgument(expression);
    target = targetOf(last ?? expression);
    if (last) ({ start, end } = last);
  }
  const { declared, free } = analyzeNames({
    type: "Program",
    ...{ start, end, sourceType: "module", body: [statement] },
  });
  const text = code.slice(start, end) + (statement.type === "ExpressionStatement" ? ";" : "");
  return { start, text, declared, free: new Set([...free].filter((name) => name !== CONTEXT)), target };
}

function lastArgument(expression: Expression): Expression | null {
  if (expression.type !== "CallExpression" || expression.callee.type !== "MemberExpression") return null;
  const { object } = expression.callee;
  const [argument] = expression.arguments;
  const isLast = object.type === "Identifier" && object.name === CONTEXT;
  return isLast && argument && argument.type !== "SpreadElement" ? argument : null;
}

function targetOf(expression: Expression): string | null {
  let node: { readonly type: string } | null = null;
  if (expression.type === "AssignmentExpression") node = expression.left;
  else if (expression.type === "CallExpression" && expression.callee.type === "MemberExpression") {
    node = expression.callee;
  }
  while (node?.type === "MemberExpression") node = (node as unknown as { object: { type: string } }).object;
  return node?.type === "Identifier" ? (node as unknown as { name: string }).name : null;
}
