import type { AnyNode, Pattern } from "acorn";
import { ancestor, type AncestorVisitors } from "acorn-walk";
import { Source } from "./source.ts";

/**
 * Names that a function's source takes from outside, `Math` and the language's own values left out, in order
 * of first use. Works on any JavaScript function, inside the compiled subset or not. Throws `compile/syntax`.
 */
export function freeNames(source: string, line = 1): string[] {
  const text = new Source(source, line);
  try {
    return collect(text.parse());
  } catch (error) {
    // The walker recurses; hostile nesting ends here.
    throw error instanceof RangeError ? text.tooDeep(0) : error;
  }
}

function collect(root: AnyNode): string[] {
  const scopes = new Map<AnyNode, Set<string>>();
  const add = (scope: AnyNode, name: string): void => {
    let names = scopes.get(scope);
    if (!names) scopes.set(scope, (names = new Set()));
    names.add(name);
  };
  const nearest = (ancestors: readonly AnyNode[], types: readonly string[]): AnyNode =>
    ancestors.findLast((node, i) => i < ancestors.length - 1 && types.includes(node.type)) ?? root;

  ancestor(root, {
    VariableDeclaration(node, _state, ancestors) {
      const scope = nearest(ancestors, node.kind === "var" ? functionTypes : blockTypes);
      for (const { id } of node.declarations) for (const name of boundNames(id)) add(scope, name);
    },
    Function(node, _state, ancestors) {
      for (const parameter of node.params)
        for (const name of boundNames(parameter)) add(node as AnyNode, name);
      if (!node.id) return;
      const own = node.type === "FunctionDeclaration" ? nearest(ancestors, blockTypes) : (node as AnyNode);
      add(own, node.id.name);
    },
    Class(node, _state, ancestors) {
      if (!node.id) return;
      const own = node.type === "ClassDeclaration" ? nearest(ancestors, blockTypes) : (node as AnyNode);
      add(own, node.id.name);
    },
    CatchClause(node) {
      if (node.param) for (const name of boundNames(node.param)) add(node, name);
    },
  });

  const free = new Set<string>();
  const refer = (node: { readonly name: string }, _state: unknown, ancestors: readonly AnyNode[]): void => {
    const { name } = node;
    if (known.has(name) || ancestors.some((scope) => scopes.get(scope)?.has(name))) return;
    if (name === "arguments" && ancestors.some(({ type }) => type.startsWith("Function"))) return;
    free.add(name);
  };
  // acorn-walk's types leave out VariablePattern, the name that an assignment writes.
  ancestor(root, { Identifier: refer, VariablePattern: refer } as AncestorVisitors<unknown>);
  return [...free];
}

const known = new Set(["Math", "NaN", "Infinity", "undefined"]);
const functionTypes = ["ArrowFunctionExpression", "FunctionExpression", "FunctionDeclaration"];
const blockTypes = [
  ...functionTypes,
  "BlockStatement",
  "ForStatement",
  "ForInStatement",
  "ForOfStatement",
  "SwitchStatement",
  "StaticBlock",
];

function boundNames(pattern: Pattern): string[] {
  switch (pattern.type) {
    case "Identifier":
      return [pattern.name];
    case "ObjectPattern":
      return pattern.properties.flatMap((property) =>
        boundNames(property.type === "RestElement" ? property.argument : property.value),
      );
    case "ArrayPattern":
      return pattern.elements.flatMap((element) => (element ? boundNames(element) : []));
    case "RestElement":
      return boundNames(pattern.argument);
    case "AssignmentPattern":
      return boundNames(pattern.left);
    case "MemberExpression":
      return [];
  }
}
