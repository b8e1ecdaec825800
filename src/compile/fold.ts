import { binaryF32, unaryF32 } from "./arithmetic.ts";
import { heldIndex, interpretF32 } from "./interpret.ts";
import type { Call, Expression, IrFunction, Statement } from "./ir.ts";
import type { Source } from "./source.ts";

/**
 * Rounds literals to f32 and computes what is constant, in f32 and operation by operation as it would run.
 * WGSL refuses constant expressions that overflow or give NaN, so they become errors here, with their place
 * in the source: `compile/non-finite`. A division by a constant becomes a product.
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
        if (node.operator === "/" && y !== null) {
          const reciprocal = Math.fround(1 / y);
          // Shader compilers do the same, and so both engines get the same bits.
          if (isNormal(y) && isNormal(reciprocal)) {
            const right: Expression = { kind: "number", type: "f32", value: reciprocal, at: node.right.at };
            return { ...node, operator: "*", left, right };
          }
        }
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
      case "item": {
        const index = expression(node.index);
        if (index.kind !== "number") return { ...node, index };
        const { local, offset, length, at } = node;
        return { kind: "element", type: "f32", local, index: offset + heldIndex(index.value, length), at };
      }
      case "call":
        return call(node);
      default:
        return node;
    }
  };

  const call = (node: Call): Expression => {
    const values = node.arguments.map((value) => (value.kind === "reference" ? value : expression(value)));
    const known = values.every((value) => value.kind === "number");
    // WGSL computes constant calls of its own functions alone beforehand.
    if (values.length === 0 || !known || body.functions.has(node.callee))
      return { ...node, arguments: values };
    const result = interpretF32({
      name: "constant",
      locals: [],
      parameterCount: 0,
      result: "f32",
      body: [{ kind: "return", value: { ...node, arguments: values } }],
      draws: false,
      writes: new Set(),
      functions: new Map(),
    }).run();
    return number(result, node.at);
  };

  const statement = (node: Statement): Statement[] => {
    switch (node.kind) {
      case "if": {
        const condition = expression(node.condition);
        const decided = constant(condition);
        // What a constant condition leaves out is not code: it may hold anything.
        if (decided !== null) return (decided !== 0 ? node.then : node.otherwise).flatMap(statement);
        const then = node.then.flatMap(statement);
        return [{ kind: "if", condition, then, otherwise: node.otherwise.flatMap(statement) }];
      }
      case "loop":
        return [
          {
            ...node,
            start: expression(node.start),
            condition: expression(node.condition),
            update: expression(node.update),
            body: node.body.flatMap(statement),
          },
        ];
      case "array":
        return [{ ...node, values: node.values.map(expression) }];
      case "store":
        return [{ ...node, index: expression(node.index), value: expression(node.value) }];
      case "run":
        return [{ kind: "run", call: call(node.call) as Call }];
      case "return":
        return [{ kind: "return", value: node.value && expression(node.value) }];
      case "declare":
      case "assign":
        return [{ ...node, value: expression(node.value) }];
      default:
        return [node];
    }
  };
  return { ...body, body: body.body.flatMap(statement) };
}

const isNormal = (value: number): boolean => Math.abs(value) >= 2 ** -126 && Number.isFinite(value);
