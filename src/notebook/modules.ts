import { parse, type Literal, type Program } from "acorn";
import { full } from "acorn-walk";
import { transform } from "sucrase";
import { FulguriteError } from "../gpu/error.ts";
import { isShippedPackage, PACKAGES, shippedPackages } from "../runner/packages.ts";
import { PACKAGE, type CellImport } from "./analyze.ts";
import { evaluateModule } from "./evaluate.ts";

/** One module as a function body that has `require`, `module`, `exports` and `importMeta` in scope. */
interface LoadedModule {
  readonly code: string;
  /** By specifier as written: the module that it stands for. */
  readonly resolved: ReadonlyMap<string, string>;
}

export type Namespace = Readonly<Record<string, unknown>>;

/** What a module loader is lent. */
export interface ModuleSources {
  /** Text of a module at an address. */
  readonly fetchModule: (url: string) => Promise<string>;
  /** Text of a shipped package, the body of a function of `module` and `exports`. */
  readonly loadPackage: (name: string) => Promise<string>;
  /** Where this realm can import the package itself, as Node can: in place of `loadPackage`. */
  readonly importPackage?: (name: string) => Promise<Namespace>;
}

/** Modules as code that travels: what it needs of shipped packages goes by name. */
export interface ModuleScript {
  /** A classic script. */
  readonly script: string;
  readonly packages: readonly string[];
}

const MAX_MODULES = 500;

/**
 * Modules that cells import: packages that ship with the page, and https addresses whose host was granted. Neither
 * can be imported by the browser in a realm that reaches nothing, so their text is fetched through the host,
 * turned from ES modules into functions and evaluated once a kernel. Modules may need each other in a circle;
 * `await` at the top of one is not supported.
 */
export class ModuleLoader {
  readonly #sources: ModuleSources;
  readonly #modules = new Map<string, Promise<LoadedModule>>();
  readonly #loaded = new Map<string, LoadedModule>();
  readonly #evaluated = new Map<string, { exports: Namespace }>();

  constructor(sources: ModuleSources) {
    this.#sources = sources;
  }

  /** The names that a module exports. Throws `FulguriteError` "notebook/import", or what it throws itself. */
  async import(specifier: string): Promise<Namespace> {
    const name = resolve(specifier, null);
    await this.#loadAll(name);
    return this.#evaluate(name);
  }

  /**
   * Defines `variable` as a function from a name to that module, for code that travels to other workers. The modules
   * must have been imported before.
   */
  script(specifiers: Iterable<string>, variable: string): ModuleScript {
    const names = new Set<string>();
    const add = (name: string): void => {
      if (names.has(name)) return;
      names.add(name);
      for (const next of this.#loaded.get(name)?.resolved.values() ?? []) add(next);
    };
    for (const specifier of specifiers) add(resolve(specifier, null));
    const packages = [...names].filter(isShippedPackage);
    const entries = [...names].map((name) => {
      const text = JSON.stringify(name);
      if (isShippedPackage(name))
        return `${text}: [{}, function (require, module) { module.exports = ${PACKAGES}(${text}); }]`;
      const { code, resolved } = this.#loaded.get(name)!;
      return `${text}: [${JSON.stringify(Object.fromEntries(resolved))}, function (require, module, exports, importMeta) {${code}\n}]`;
    });
    const script = `var ${variable} = (() => { const modules = {${entries.join(",\n")}}, done = {};
const get = (name) => { if (done[name]) return done[name].exports; const module = done[name] = { exports: {} };
const [names, run] = modules[name]; run((specifier) => get(names[specifier] ?? specifier), module, module.exports, { url: name }); return module.exports; };
return get; })();\n`;
    return { script, packages };
  }

  async #loadAll(name: string): Promise<void> {
    const seen = new Set<string>();
    const visit = async (one: string): Promise<void> => {
      if (seen.has(one)) return;
      seen.add(one);
      if (seen.size > MAX_MODULES) throw problem(`"${name}" consists of more than ${MAX_MODULES} modules.`);
      let loading = this.#modules.get(one);
      if (!loading) {
        loading = this.#read(one);
        this.#modules.set(one, loading);
      }
      try {
        const module = await loading;
        this.#loaded.set(one, module);
        await Promise.all([...module.resolved.values()].map((next) => visit(next)));
      } catch (error) {
        // What was refused may be granted later.
        this.#modules.delete(one);
        throw error;
      }
    };
    await visit(name);
  }

  async #read(name: string): Promise<LoadedModule> {
    const { fetchModule, loadPackage, importPackage } = this.#sources;
    if (isShippedPackage(name)) {
      const resolved = new Map<string, string>();
      if (!importPackage) return { code: await loadPackage(name), resolved };
      this.#evaluated.set(name, { exports: await importPackage(name) });
      return { code: "", resolved };
    }
    if (!/^https?:/.test(name)) throw noPackage(name);
    const text = await fetchModule(name);
    try {
      return toFunctionBody(text, name);
    } catch (error) {
      if (error instanceof FulguriteError) throw error;
      throw problem(`"${name}" cannot be read as a module: ${(error as Error).message}.`);
    }
  }

  #evaluate(name: string): Namespace {
    const known = this.#evaluated.get(name);
    if (known) return known.exports;
    const { code, resolved } = this.#loaded.get(name)!;
    const module = { exports: {} as Namespace };
    this.#evaluated.set(name, module);
    try {
      evaluateModule(name, code, module, (specifier) => this.#evaluate(resolved.get(specifier) ?? specifier));
    } catch (error) {
      this.#evaluated.delete(name);
      throw error;
    }
    return module.exports;
  }
}

/** Text of the module that an address answered with. Throws "notebook/import". */
export async function moduleText(response: Response, url: string): Promise<string> {
  if (response.ok) return response.text();
  throw new FulguriteError(
    "notebook/import",
    `${url} answered ${response.status}.`,
    "Check the address of the import.",
  );
}

/** A module's absolute name: an https address, or a package's own name. */
export function resolve(specifier: string, base: string | null): string {
  if (/^https?:\/\//.test(specifier)) return new URL(specifier).href;
  if (/^\.{0,2}\//.test(specifier)) {
    if (base !== null && /^https?:/.test(base)) return new URL(specifier, base).href;
    throw problem(`"${specifier}" is relative, and there is nothing that it could be relative to.`);
  }
  if (/^[a-z]+:/.test(specifier)) throw problem(`"${specifier}" cannot be imported.`);
  return specifier;
}

function toFunctionBody(text: string, name: string): LoadedModule {
  const program = parse(text, { ecmaVersion: 2024, sourceType: "module", allowHashBang: true });
  const resolved = new Map<string, string>();
  for (const specifier of specifiersOf(program)) resolved.set(specifier, resolve(specifier, name));
  const { code } = transform(text.replace(/^#!.*/, ""), {
    transforms: ["imports"],
    disableESTransforms: true,
  });
  return { code: code.replace(/\bimport\s*\.\s*meta\b/g, "importMeta"), resolved };
}

function specifiersOf(program: Program): Set<string> {
  const found = new Set<string>();
  const add = (source: unknown): void => {
    const value = (source as Literal | null | undefined)?.value;
    if (typeof value === "string") found.add(value);
  };
  for (const statement of program.body) if ("source" in statement) add(statement.source);
  full(program, (node) => {
    if (node.type === "ImportExpression") add((node as unknown as { source: unknown }).source);
  });
  return found;
}

const problem = (message: string, line?: number): FulguriteError =>
  new FulguriteError(
    "notebook/import",
    message,
    `Import from "fulgurite", from ${shippedPackages.join(", ")}, or from an https:// address.`,
    line === undefined ? {} : { line },
  );

const noPackage = (name: string, line?: number): FulguriteError =>
  problem(`There is no package "${name}" for cells.`, line);

/** What will keep an import from being found, as far as its name tells. */
export const importProblem = ({ from, line }: CellImport): FulguriteError | null =>
  from === PACKAGE || isShippedPackage(from) || /^https?:/.test(from) ? null : noPackage(from, line);
