import type { AnyNode, Expression as ExpressionNode } from "acorn";
import type { Expression, Statement } from "./ir.ts";
import { bare, type LowerContext } from "./lower-context.ts";
import type { ExpressionLowering } from "./lower-expression.ts";

type Arithmetic = "+" | "-" | "*" | "/" | "%" | "**";

/** Where an assignment goes, and what stands there before. */
interface Target {
  readonly old: Expression;
  readonly assign: (value: Expression) => Statement;
}

/** An expression as a statement: assignments, and calls that change what they are given. */
export function lowerAssignment(
  context: LowerContext,
  expressions: ExpressionLowering,
  whole: ExpressionNode,
): Statement[] {
  const node = bare(whole);
  const at = node.start;
  if (node.type === "UpdateExpression") {
    const { old, assign } = target(context, expressions, node.argument);
    context.expect(old, "f32", node, `\`${node.operator}\` takes`);
    const one = { kind: "number", type: "f32", value: 1, at } as const;
    return [assign(expressions.arithmetic(node.operator === "++" ? "+" : "-", old, one, at))];
  }
  if (node.type === "AssignmentExpression") {
    const { old, assign } = target(context, expressions, node.left);
    if (node.operator === "=") {
      const value = expressions.value(node.right);
      context.expect(value, old.type, node.right, "the variable holds");
      return [assign(value)];
    }
    const right = expressions.expression(node.right);
    context.expect(right, old.type, node.right, "the variable holds");
    switch (node.operator) {
      case "+=":
      case "-=":
      case "*=":
      case "/=":
      case "%=":
      case "**=": {
        context.expect(old, "f32", node, `\`${node.operator}\` takes`);
        const operator = node.operator.slice(0, -1) as Arithmetic;
        return [assign(expressions.arithmetic(operator, old, right, at))];
      }
      default:
        throw context.unsupported(node, `operator \`${node.operator}\``);
    }
  }
  if (node.type === "CallExpression") return [expressions.effect(node)];
  // Unknown names and the like have better words than "without effect".
  expressions.expression(node);
  throw context.unsupported(node, "expression without effect", "Remove it, or return its value.");
}

function target(context: LowerContext, expressions: ExpressionLowering, node: AnyNode): Target {
  const { scope } = context;
  if (node.type === "MemberExpression") {
    const place = expressions.access.place(node);
    // What is no place at all has an error of its own.
    if (!place) expressions.access.member(node);
    if (!place?.writable) {
      throw context.unsupported(
        node,
        place && place.value.kind === "item" ? "assignment to an element" : "assignment to a field",
        "What is given here is read only; use a `let` or a list of your own.",
      );
    }
    const { local, index, offset, length, value: old } = place;
    return { old, assign: (value) => ({ kind: "store", local, index, offset, length, value }) };
  }
  if (node.type !== "Identifier") {
    throw context.unsupported(node, "destructuring assignment", "Assign one variable at a time.");
  }
  const { name, start: at } = node;
  const binding = scope.lookup(name);
  if (binding?.kind !== "scalar") {
    // Unknown names have errors of their own.
    expressions.identifier(node);
    throw context.unsupported(
      node,
      `assignment to \`${name}\`, which is outside the function,`,
      "Copy it into a `let` first.",
    );
  }
  const { local } = binding;
  if (!scope.locals[local]!.mutable) {
    if (isParameter(context, local)) {
      throw context.unsupported(node, `assignment to parameter \`${name}\``, "Copy it into a `let` first.");
    }
    throw context.type(at, `\`${name}\` is a constant`, "Declare it with `let`.");
  }
  return { old: expressions.local(local, at), assign: (value) => ({ kind: "assign", local, value }) };
}

const isParameter = (context: LowerContext, local: number): boolean => local < context.parameterCount;
