import { FulguriteError } from "./error.ts";

/**
 * WGSL with four directives, each on a line of its own, expanded before the compiler sees it:
 *
 *     #include "common/philox.wgsl"   a file of shaders/common or shaders/loss, or a named part; once per shader
 *     #for i in 0..TILE ... #end      the lines repeated; `{i}`, `{i/4}`, `{i%4}`, `{i*2}`, `{i+1}` become numbers,
 *                                     in directives too
 *     #if NAME ... #else ... #end     by a boolean constant, or whether a part of that name is given
 *
 * Lines that begin with `enable`, `requires` or `diagnostic` come first, where WGSL wants them. Numbers become `const NAME: u32`, booleans `const NAME: bool`, strings `const NAME = <text>`.
 */
export interface ShaderOptions {
  readonly constants?: Readonly<Record<string, number | boolean | string>>;
  /** Sources that `#include "name"` finds besides shaders/common: an environment, a compiled reward. */
  readonly parts?: Readonly<Record<string, string>>;
}

const common: Readonly<Record<string, string>> = import.meta.glob(
  ["../../shaders/common/*.wgsl", "../../shaders/loss/{allowed,ppo}.wgsl"],
  {
    query: "?raw",
    import: "default",
    eager: true,
  },
);

/** Expands `source` to plain WGSL; throws `gpu/shader-source` on a directive it cannot follow. */
export function assembleShader(source: string, options: ShaderOptions = {}): string {
  const constants = options.constants ?? {};
  const declarations = Object.entries(constants).map(([name, value]) =>
    typeof value === "string"
      ? `const ${name} = ${value};`
      : typeof value === "boolean"
        ? `const ${name}: bool = ${value};`
        : `const ${name}: u32 = ${value}u;`,
  );
  const assembler = new Assembler(constants, options.parts ?? {});
  const lines = assembler.expand(source.split("\n"), new Map());
  // WGSL's own directives must come before every declaration.
  const isDirective = (line: string): boolean => /^(enable|requires|diagnostic)\b/.test(line);
  return [...lines.filter(isDirective), ...declarations, ...lines.filter((line) => !isDirective(line))].join(
    "\n",
  );
}

const fail = (message: string): never => {
  throw new FulguriteError("gpu/shader-source", message, "Correct the directive in the .wgsl file.");
};

class Assembler {
  readonly #constants: Readonly<Record<string, number | boolean | string>>;
  readonly #parts: Readonly<Record<string, string>>;
  readonly #included = new Set<string>();

  constructor(
    constants: Readonly<Record<string, number | boolean | string>>,
    parts: Readonly<Record<string, string>>,
  ) {
    this.#constants = constants;
    this.#parts = parts;
  }

  expand(lines: readonly string[], variables: ReadonlyMap<string, number>): string[] {
    const out: string[] = [];
    for (let at = 0; at < lines.length; at++) {
      const line = variables.size === 0 ? lines[at]! : substitute(lines[at]!, variables);
      const [directive, ...words] = line.trim().split(/\s+/);
      if (directive === "#include") {
        out.push(...this.#include(words.join(" ").replaceAll('"', "")));
      } else if (directive === "#for") {
        const end = blockEnd(lines, at);
        const [, name, , range] = [directive, ...words];
        const [from, to] = (range ?? "").split("..").map((bound) => this.#bound(bound, variables));
        if (from === undefined || to === undefined) fail(`"${line}" is not "#for name in from..to".`);
        for (let value = from!; value < to!; value++) {
          out.push(...this.expand(lines.slice(at + 1, end), new Map([...variables, [name!, value]])));
        }
        at = end;
      } else if (directive === "#if") {
        const end = blockEnd(lines, at);
        const middle = blockElse(lines, at, end);
        const chosen = this.#holds(words[0] ?? "") ? [at + 1, middle ?? end] : [(middle ?? end - 1) + 1, end];
        out.push(...this.expand(lines.slice(...(chosen as [number, number])), variables));
        at = end;
      } else if (directive === "#end" || directive === "#else") {
        fail(`"${directive}" without a beginning.`);
      } else {
        out.push(line);
      }
    }
    return out;
  }

  #include(name: string): string[] {
    if (this.#included.has(name)) return [];
    this.#included.add(name);
    const text = this.#parts[name] ?? common[`../../shaders/${name}`];
    return this.expand((text ?? fail(`There is no shader part "${name}".`)).split("\n"), new Map());
  }

  #bound(text: string, variables: ReadonlyMap<string, number>): number {
    const value = /^\d+$/.test(text) ? Number(text) : (variables.get(text) ?? this.#constants[text]);
    return typeof value === "number" ? value : fail(`"${text}" is not a number or an integer constant.`);
  }

  #holds(name: string): boolean {
    const value = this.#constants[name] ?? name in this.#parts;
    return typeof value === "boolean" ? value : fail(`"#if ${name}" needs a boolean constant.`);
  }
}

function blockEnd(lines: readonly string[], start: number): number {
  let depth = 0;
  for (let at = start; at < lines.length; at++) {
    const word = lines[at]!.trim();
    if (/^#(for|if)\b/.test(word)) depth++;
    if (/^#end\b/.test(word) && --depth === 0) return at;
  }
  return fail(`"${lines[start]!.trim()}" has no #end.`);
}

function blockElse(lines: readonly string[], start: number, end: number): number | undefined {
  let depth = 0;
  for (let at = start; at < end; at++) {
    const word = lines[at]!.trim();
    if (/^#(for|if)\b/.test(word)) depth++;
    if (/^#end\b/.test(word)) depth--;
    if (depth === 1 && /^#else\b/.test(word)) return at;
  }
  return undefined;
}

function substitute(line: string, variables: ReadonlyMap<string, number>): string {
  return line.replace(
    /\{(\w+)(?:([+*/%])(\d+))?\}/g,
    (whole, name: string, operator?: string, by?: string) => {
      const value = variables.get(name);
      if (value === undefined) return whole;
      const n = Number(by);
      if (operator === "+") return String(value + n);
      if (operator === "*") return String(value * n);
      if (operator === "/") return String(Math.floor(value / n));
      if (operator === "%") return String(value % n);
      return String(value);
    },
  );
}
