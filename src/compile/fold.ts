import { binaryF32, unaryF32 } from "./arithmetic.ts";
import { interpretF32 } from "./interpret.ts";
import type { Expression, IrFunction, Statement } from "./ir.ts";
import type { Source } from "./source.ts";

/**
 * Rounds literals to f32 and computes what is constant, in f32 and operation by operation as it would run.
 * WGSL refuses constant expressions that overflow or give NaN, so they become errors here, with their place
 * in the source: `compile/non-finite`.
 */
export function fold(body: IrFunction, source: Source): IrFunction {
  const number = (value: number, at: number): Expression => {
    if (!Number.isFinite(value)) {
      throw source.error(
        "compile/non-finite",
        at,
        Number.isNaN(value)
          ? "this constant is not a number (NaN)"
          : "this constant is infinite in 32-bit arithmetic",
        "Use constants whose result is between -3.4e38 and 3.4e38.",
      );
    }
    return { kind: "number", type: "f32", value, at };
  };
  const constant = (node: Expression): number | null =>
    node.kind === "number" ? node.value : node.kind === "boolean" ? (node.value ? 1 : 0) : null;
  const known = (node: Expression, value: number): Expression =>
    node.type === "bool"
      ? { kind: "boolean", type: "bool", value: value !== 0, at: node.at }
      : number(value, node.at);

  const expression = (node: Expression): Expression => {
    switch (node.kind) {
      case "number":
        return number(Math.fround(node.value), node.at);
      case "unary": {
        const operand = expression(node.operand);
        const value = constant(operand);
        return value === null ? { ...node, operand } : known(node, unaryF32[node.operator](value));
      }
      case "binary": {
        const left = expression(node.left);
        const right = expression(node.right);
        const x = constant(left);
        const y = constant(right);
        if (node.operator === "/" && y === 0) {
          throw source.error(
            "compile/non-finite",
            node.at,
            "division by the constant 0",
            "Divide by something else.",
          );
        }
        if (x !== null && y !== null) return known(node, binaryF32[node.operator](x, y));
        // Only a constant on the left decides alone, as in JavaScript.
        if (node.operator === "&&" && x !== null) return x === 0 ? known(node, 0) : right;
        if (node.operator === "||" && x !== null) return x === 0 ? right : known(node, 1);
        return { ...node, left, right };
      }
      case "select": {
        const condition = expression(node.condition);
        const decided = constant(condition);
        if (decided !== null) return expression(decided !== 0 ? node.then : node.otherwise);
        return { ...node, condition, then: expression(node.then), otherwise: expression(node.otherwise) };
      }
      case "call": {
        const values = node.arguments.map(expression);
        if (values.length > 0 && values.every((value) => value.kind === "number")) {
          const call: Expression = { ...node, arguments: values };
          const result = interpretF32({
            name: "constant",
            locals: [],
            parameterCount: 0,
            result: "f32",
            body: [{ kind: "return", value: call }],
          }).run();
          return number(result, node.at);
        }
        return { ...node, arguments: values };
      }
      default:
        return node;
    }
  };

  const statement = (node: Statement): Statement[] => {
    if (node.kind !== "if") return [{ ...node, value: expression(node.value) }];
    const condition = expression(node.condition);
    const decided = constant(condition);
    // What a constant condition leaves out is not code: it may hold anything.
    if (decided !== null) return (decided !== 0 ? node.then : node.otherwise).flatMap(statement);
    return [
      {
        kind: "if",
        condition,
        then: node.then.flatMap(statement),
        otherwise: node.otherwise.flatMap(statement),
      },
    ];
  };
  return { ...body, body: body.body.flatMap(statement) };
}
