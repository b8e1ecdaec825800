import ts from "typescript";
import { cellApiNames } from "../../notebook/cell-api.ts";
import { CellModules, cellOf, pathOf } from "./cell-modules.ts";
import type { CellChanges, Completion, Completions, Explanation, Place, Problem } from "./language-types.ts";

const AMBIENT = "/scope.d.ts";

/** Names in scope in every cell, as the package exports them; addresses and packages that we do not know are `any`. */
const ambient = [
  ...cellApiNames
    .filter((name) => name !== "console" && name !== "Plot")
    .map((name) => `declare const ${name}: typeof import("fulgurite").${name};`),
  // Observable Plot's own declarations are larger than all of ours together.
  "declare const Plot: any;",
  'declare module "*";',
].join("\n");

const options: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2024,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.es2024.d.ts", "lib.webworker.d.ts"],
  strict: true,
  noUncheckedIndexedAccess: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  skipLibCheck: true,
  types: [],
};

/**
 * TypeScript over the cells of one notebook. Knows nothing of workers, editors or the network: the declarations are
 * given to it.
 */
export class LanguageService {
  readonly #files: Readonly<Record<string, string>>;
  readonly #cells = new CellModules();
  readonly #service: ts.LanguageService;
  #version = 0;

  constructor(files: Readonly<Record<string, string>>) {
    this.#files = { ...files, [AMBIENT]: ambient };
    this.#service = ts.createLanguageService(this.#host());
  }

  update({ set, removed }: CellChanges): void {
    this.#cells.update(set, removed);
    this.#version++;
  }

  complete(cell: string, at: number): Completions | null {
    const found = this.#service.getCompletionsAtPosition(pathOf(cell), at, {
      includeCompletionsForModuleExports: false,
    });
    const module = this.#cells.get(pathOf(cell));
    if (!found || !module) return null;
    const word = /[\w$]*$/.exec(module.text.slice(0, at))![0];
    const prefix = word.toLowerCase();
    const matching: Completion[] = [];
    for (const { name, kind, sortText } of found.entries) {
      // A first letter that fits, or a member: everything else would only be sent to be thrown away.
      if (!found.isMemberCompletion && prefix !== "" && !name.toLowerCase().includes(prefix[0]!)) continue;
      const origin = found.isMemberCompletion ? null : this.#cells.definer(name);
      matching.push({
        label: name,
        type: completionType(kind),
        origin: origin === cell ? null : origin,
        rank: origin === null ? sortText : "10",
      });
    }
    // Names of other cells are in scope though this cell does not import them yet.
    if (!found.isMemberCompletion) matching.push(...this.#foreign(cell, matching));
    return { from: at - word.length, options: matching };
  }

  #foreign(cell: string, known: readonly Completion[]): Completion[] {
    const labels = new Set(known.map(({ label }) => label));
    const found: Completion[] = [];
    for (const [name, id] of this.#cells.names()) {
      if (id === cell || labels.has(name)) continue;
      found.push({ label: name, type: "variable", origin: id, rank: "10" });
    }
    return found;
  }

  describe(cell: string, at: number, name: string): Explanation | null {
    const details = this.#service.getCompletionEntryDetails(
      pathOf(cell),
      at,
      name,
      undefined,
      undefined,
      undefined,
      undefined,
    );
    if (!details) return null;
    return {
      from: at,
      to: at,
      signature: ts.displayPartsToString(details.displayParts),
      documentation: documentation(details.documentation, details.tags),
    };
  }

  hover(cell: string, at: number): Explanation | null {
    const info = this.#service.getQuickInfoAtPosition(pathOf(cell), at);
    const module = this.#cells.get(pathOf(cell));
    if (!info || !module || info.textSpan.start >= module.length) return null;
    return {
      from: info.textSpan.start,
      to: info.textSpan.start + info.textSpan.length,
      // The import behind the text is ours, not the person's.
      signature: ts.displayPartsToString(info.displayParts).replace(/^\(alias\) |\nimport [\s\S]*$/g, ""),
      documentation: documentation(info.documentation, info.tags),
    };
  }

  diagnose(cell: string): Problem[] {
    const path = pathOf(cell);
    const module = this.#cells.get(path);
    if (!module) return [];
    const syntactic = this.#service.getSyntacticDiagnostics(path);
    const found = [
      ...syntactic,
      ...this.#service.getSemanticDiagnostics(path),
      ...this.#service.getSuggestionDiagnostics(path).filter(({ reportsDeprecated }) => reportsDeprecated),
    ];
    const problems: Problem[] = [];
    for (const { start, length, category, messageText } of found) {
      if (start === undefined) continue;
      // What is not closed is only missed behind the text; of what is wrong there, that is all that counts.
      const isBehind = start >= module.length;
      if (isBehind && (problems.length > 0 || !syntactic.length)) continue;
      problems.push({
        from: Math.min(start, Math.max(0, module.length - 1)),
        to: Math.min(start + (length ?? 0), module.length),
        severity:
          category === ts.DiagnosticCategory.Error
            ? "error"
            : category === ts.DiagnosticCategory.Warning
              ? "warning"
              : "info",
        message: ts.flattenDiagnosticMessageText(messageText, "\n"),
      });
    }
    return problems;
  }

  renamePlaces(cell: string, at: number): Place[] | null {
    const path = pathOf(cell);
    const info = this.#service.getRenameInfo(path, at, { allowRenameOfImportPath: false });
    if (!info.canRename) return null;
    const found = this.#service.findRenameLocations(path, at, false, false, {
      providePrefixAndSuffixTextForRename: false,
    });
    const places: Place[] = [];
    for (const { fileName, textSpan } of found ?? []) {
      const id = cellOf(fileName);
      // Declared in a library: not ours to rename.
      if (id === null) return null;
      if (textSpan.start >= this.#cells.get(fileName)!.length) continue;
      places.push({ cell: id, from: textSpan.start, to: textSpan.start + textSpan.length });
    }
    return places.length === 0 ? null : places;
  }

  definition(cell: string, at: number): Place | null {
    for (const { fileName, textSpan } of this.#service.getDefinitionAtPosition(pathOf(cell), at) ?? []) {
      const id = cellOf(fileName);
      if (id === null || textSpan.start >= this.#cells.get(fileName)!.length) continue;
      return { cell: id, from: textSpan.start, to: textSpan.start + textSpan.length };
    }
    return null;
  }

  #host(): ts.LanguageServiceHost {
    const text = (path: string): string | undefined => this.#cells.get(path)?.text ?? this.#files[path];
    return {
      getCompilationSettings: () => options,
      getProjectVersion: () => String(this.#version),
      getScriptFileNames: () => [AMBIENT, ...this.#cells.paths],
      getScriptVersion: (path) => String(this.#cells.get(path)?.version ?? 0),
      getScriptSnapshot: (path) => {
        const found = text(path);
        return found === undefined ? undefined : ts.ScriptSnapshot.fromString(found);
      },
      getCurrentDirectory: () => "/",
      getDefaultLibFileName: () => "/lib/lib.es2024.d.ts",
      fileExists: (path) => text(path) !== undefined,
      readFile: text,
      resolveModuleNameLiterals: (literals, containing) =>
        literals.map(({ text: name }) => {
          const path =
            name === "fulgurite"
              ? "/api/index.d.ts"
              : name.startsWith(".")
                ? new URL(name, `file://${containing}`).pathname
                : null;
          if (path === null || text(path) === undefined) return { resolvedModule: undefined };
          const extension = path.endsWith(".d.ts") ? ts.Extension.Dts : ts.Extension.Ts;
          return { resolvedModule: { resolvedFileName: path, extension, isExternalLibraryImport: false } };
        }),
    };
  }
}

function completionType(kind: string): string {
  switch (kind) {
    case ts.ScriptElementKind.functionElement:
    case ts.ScriptElementKind.localFunctionElement:
      return "function";
    case ts.ScriptElementKind.memberFunctionElement:
      return "method";
    case ts.ScriptElementKind.memberVariableElement:
    case ts.ScriptElementKind.memberGetAccessorElement:
      return "property";
    case ts.ScriptElementKind.classElement:
      return "class";
    case ts.ScriptElementKind.interfaceElement:
    case ts.ScriptElementKind.typeElement:
    case ts.ScriptElementKind.primitiveType:
      return "type";
    case ts.ScriptElementKind.keyword:
      return "keyword";
    case ts.ScriptElementKind.constElement:
      return "constant";
    default:
      return "variable";
  }
}

function documentation(
  parts: readonly ts.SymbolDisplayPart[] | undefined,
  tags: readonly ts.JSDocTagInfo[] | undefined,
): string {
  const told = (tags ?? [])
    .filter(({ name }) => name !== "internal")
    .map(({ name, text }) => `@${name} ${ts.displayPartsToString([...(text ?? [])])}`);
  return [ts.displayPartsToString([...(parts ?? [])]), ...told].filter(Boolean).join("\n");
}
