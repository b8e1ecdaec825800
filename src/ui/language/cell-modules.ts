import ts from "typescript";
import type { LanguageCell } from "./language-types.ts";

/** A cell as a module: its source, and behind it the imports and exports that join it to the others. */
export interface CellModule {
  readonly text: string;
  /** Characters of the cell's own text. */
  readonly length: number;
  version: number;
}

interface Known {
  readonly source: string;
  /** Names that it declares at its top, and those of them that it exports itself. */
  readonly declared: ReadonlySet<string>;
  readonly exported: ReadonlySet<string>;
  readonly mentioned: ReadonlySet<string>;
}

export const pathOf = (id: string): string => `/cells/${id}.ts`;
export const cellOf = (path: string): string | null => /^\/cells\/(.+)\.ts$/.exec(path)?.[1] ?? null;

/**
 * The cells as modules. What a cell needs is imported and what it declares exported behind its own text: imports
 * hoist, so no position in the text ever shifts.
 */
export class CellModules {
  readonly #known = new Map<string, Known>();
  readonly #modules = new Map<string, CellModule>();

  get paths(): string[] {
    return [...this.#modules.keys()].map(pathOf);
  }

  get(path: string): CellModule | undefined {
    const id = cellOf(path);
    return id === null ? undefined : this.#modules.get(id);
  }

  /** The cell that declares a name at its top, or null. */
  definer(name: string): string | null {
    for (const [id, { declared }] of this.#known) if (declared.has(name)) return id;
    return null;
  }

  /** Every name that a cell declares at its top, with that cell. */
  *names(): Generator<readonly [string, string]> {
    for (const [id, { declared }] of this.#known) for (const name of declared) yield [name, id];
  }

  update(set: readonly LanguageCell[], removed: readonly string[]): void {
    for (const id of removed) {
      this.#known.delete(id);
      this.#modules.delete(id);
    }
    for (const { id, source } of set) this.#known.set(id, read(source));
    const definer = new Map<string, string>();
    for (const [id, { declared }] of this.#known) {
      for (const name of declared) if (!definer.has(name)) definer.set(name, id);
    }
    for (const [id, known] of this.#known) this.#join(id, known, definer);
  }

  #join(id: string, known: Known, definer: ReadonlyMap<string, string>): void {
    const imports = new Map<string, string[]>();
    for (const name of known.mentioned) {
      const from = definer.get(name);
      if (from === undefined || from === id || known.declared.has(name)) continue;
      const names = imports.get(from);
      if (names) names.push(name);
      else imports.set(from, [name]);
    }
    const exports = [...known.declared].filter((name) => !known.exported.has(name));
    const text = [
      known.source,
      "\n;",
      ...[...imports].map(
        ([from, names]) => `import { ${names.join(", ")} } from ".${pathOf(from).slice(6)}";`,
      ),
      `export { ${exports.join(", ")} };`,
    ].join("");
    const old = this.#modules.get(id);
    if (old?.text === text) return;
    this.#modules.set(id, { text, length: known.source.length, version: (old?.version ?? 0) + 1 });
  }
}

function read(source: string): Known {
  const declared = new Set<string>();
  const exported = new Set<string>();
  const mentioned = new Set<string>();
  const file = ts.createSourceFile("cell.ts", source, ts.ScriptTarget.Latest, false);
  const bind = (name: ts.BindingName, isExported: boolean): void => {
    if (ts.isIdentifier(name)) {
      if (name.text === "") return;
      declared.add(name.text);
      if (isExported) exported.add(name.text);
    } else {
      for (const element of name.elements) if (ts.isBindingElement(element)) bind(element.name, isExported);
    }
  };
  for (const statement of file.statements) {
    const isExported =
      ts.canHaveModifiers(statement) &&
      (ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) ?? false);
    if (ts.isVariableStatement(statement)) {
      for (const { name } of statement.declarationList.declarations) bind(name, isExported);
    } else if (
      (ts.isFunctionDeclaration(statement) ||
        ts.isClassDeclaration(statement) ||
        ts.isInterfaceDeclaration(statement) ||
        ts.isTypeAliasDeclaration(statement) ||
        ts.isEnumDeclaration(statement)) &&
      statement.name
    ) {
      bind(statement.name, isExported);
    }
  }
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) mentioned.add(node.text);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return { source, declared, exported, mentioned };
}
