import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";

/** A seeded fault: the text that must occur exactly once in the file, and what takes its place. */
export interface Mutation {
  /** The edited file, relative to the test; default: the imported module itself. */
  readonly file?: string;
  readonly find: string;
  readonly replace: string;
}

/**
 * Imports a module as if its source had been edited: proves that a test can fail. The module and everything it
 * imports by relative path are transpiled and loaded as `data:` modules, apart from the ones under test.
 * `url` is the importing test's `import.meta.url`, `path` relative to it.
 */
export async function importMutated<Module>(url: string, path: string, mutation: Mutation): Promise<Module> {
  const file = new URL(mutation.file ?? path, url);
  const source = readFileSync(fileURLToPath(file), "utf8");
  const at = source.indexOf(mutation.find);
  if (at < 0 || source.includes(mutation.find, at + 1)) {
    throw new Error(`"${mutation.find}" must occur exactly once in ${file.pathname}`);
  }
  const modules = new Map<string, string>();
  const mutated = source.replace(mutation.find, () => mutation.replace);
  modules.set(file.href, dataModule(file, mutated, modules));
  const root = new URL(path, url);
  const entry = dataModule(root, readFileSync(fileURLToPath(root), "utf8"), modules);
  return (await import(/* @vite-ignore */ entry)) as Module;
}

function dataModule(file: URL, source: string, done: Map<string, string>): string {
  const known = done.get(file.href);
  if (known !== undefined) return known;
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      useDefineForClassFields: false,
    },
  });
  const linked = outputText.replace(
    /((?:from|import)\s*)"(\.[^"]+)"/g,
    (_, keyword: string, specifier: string) => {
      const imported = new URL(specifier, file);
      return `${keyword}${JSON.stringify(dataModule(imported, readFileSync(fileURLToPath(imported), "utf8"), done))}`;
    },
  );
  const result = `data:text/javascript;base64,${Buffer.from(linked).toString("base64")}`;
  done.set(file.href, result);
  return result;
}
