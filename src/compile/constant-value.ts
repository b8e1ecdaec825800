import type { Expression } from "./ir.ts";

/** Value of an expression made of literals alone, or null. */
export function constantValue(node: Expression): number | null {
  if (node.kind === "number") return node.value;
  if (node.kind === "unary") {
    const value = constantValue(node.operand);
    if (value === null) return null;
    if (node.operator === "negate") return -value;
    return node.operator === "floor" ? Math.floor(value) : null;
  }
  if (node.kind === "call" && node.callee === "floorDivide") {
    const [x, y] = node.arguments.map((argument) =>
      argument.kind === "reference" ? null : constantValue(argument),
    );
    return x == null || y == null ? null : Math.floor(x / y);
  }
  if (node.kind === "binary") {
    const left = constantValue(node.left);
    const right = constantValue(node.right);
    if (left === null || right === null) return null;
    switch (node.operator) {
      case "+":
        return left + right;
      case "-":
        return left - right;
      case "*":
        return left * right;
      case "/":
        return left / right;
      default:
        return null;
    }
  }
  return null;
}
