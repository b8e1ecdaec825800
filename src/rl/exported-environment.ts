import { freeNames } from "../compile/free-names.ts";
import { parseLayout } from "../compile/layout.ts";
import type { FunctionText } from "../compile/program.ts";
import type { EnvironmentSource } from "../env/environment-source.ts";

/**
 * What an exported policy holds of its environment, as JavaScript: an expression that gives `{ fields, observe, allowed }`,
 * the fields of a state with their lengths (null: one number) and the functions as they were written, with what they use;
 * null for those that there are not.
 */
export function environmentExpression(source: EnvironmentSource): string {
  const { observe, allowed, constants, functions } = source;
  const used = new Set<string>();
  const follow = (text: FunctionText | null): void => {
    if (!text) return;
    for (const name of freeNames(text.source, 1)) {
      if (used.has(name)) continue;
      used.add(name);
      if (Object.hasOwn(functions, name)) follow(functions[name]!);
    }
  };
  follow(observe);
  follow(allowed);
  const lines = [...used].flatMap((name) => {
    if (Object.hasOwn(functions, name)) return [`  const ${name} = ${functions[name]!.source};`];
    if (Object.hasOwn(constants, name)) return [`  const ${name} = ${JSON.stringify(constants[name])};`];
    return [];
  });
  const fields = [...parseLayout(source.state).fields].map(([name, { length }]) => [name, length]);
  return `(() => {
${lines.map((line) => `${line}\n`).join("")}  return {
    fields: ${JSON.stringify(fields)},
    observe: ${observe?.source ?? "null"},
    allowed: ${allowed?.source ?? "null"},
  };
})()`;
}
