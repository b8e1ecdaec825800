import {
  add,
  type Bounded,
  call,
  divide,
  larger,
  literal,
  multiply,
  smaller,
  subtract,
  tooClose,
  unary,
} from "./error-bounds.ts";
import { type BinaryOperator, type Expression, type IrFunction, isComparison, type Statement } from "./ir.ts";

/** A function ready to run in f64: scalars go to `scalars`, arrays to `arrays` and `offsets`, by parameter. */
export interface ReferenceFunction {
  readonly scalars: Float64Array;
  readonly arrays: ArrayLike<number>[];
  readonly offsets: Int32Array;
  /**
   * The value, and the largest difference to it that rounding in f32 explains, on any engine (running error
   * analysis: Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.3). Infinity
   * where there is none: a comparison or a step too close to call, a pole, an overflow.
   */
  run(): Bounded;
}

const arithmetic: Readonly<
  Record<"+" | "-" | "*" | "/" | "min" | "max", (x: Bounded, y: Bounded) => Bounded>
> = { "+": add, "-": subtract, "*": multiply, "/": divide, min: smaller, max: larger };

function compare(operator: BinaryOperator, x: number, y: number): boolean {
  switch (operator) {
    case "<":
      return x < y;
    case "<=":
      return x <= y;
    case ">":
      return x > y;
    case ">=":
      return x >= y;
    case "==":
      return x === y;
    default:
      return x !== y;
  }
}

/** Intermediate form -> an f64 evaluator with JavaScript's own Math, for tests and checks. Expects unfolded input. */
export function interpretReference(source: IrFunction): ReferenceFunction {
  const scalars = new Float64Array(source.locals.length);
  const errors = new Float64Array(source.locals.length);
  const arrays: ArrayLike<number>[] = source.locals.map(() => []);
  const offsets = new Int32Array(source.locals.length);
  let undecided = false;
  let result: Bounded = { value: NaN, error: Infinity };

  const number = (node: Expression): (() => Bounded) => {
    switch (node.kind) {
      case "number": {
        const value = literal(node.value);
        return () => value;
      }
      case "local": {
        const { local } = node;
        return () => ({ value: scalars[local]!, error: errors[local]! });
      }
      case "element": {
        const { local, index } = node;
        return () => ({ value: arrays[local]![offsets[local]! + index]!, error: 0 });
      }
      case "unary": {
        if (node.operator === "not") break;
        const operate = unary[node.operator];
        const operand = number(node.operand);
        return () => operate(operand());
      }
      case "binary": {
        const { operator } = node;
        if (isComparison(operator) || operator === "&&" || operator === "||") break;
        const operate = arithmetic[operator];
        const left = number(node.left);
        const right = number(node.right);
        return () => operate(left(), right());
      }
      case "select": {
        const condition = truth(node.condition);
        const then = number(node.then);
        const otherwise = number(node.otherwise);
        return () => (condition() ? then() : otherwise());
      }
      case "call": {
        const values = node.arguments.map(number);
        const operate = call(node.callee);
        return () => operate(values.map((value) => value()));
      }
      case "boolean":
        break;
    }
    throw new Error(`${node.kind} is not a number`);
  };

  const truth = (node: Expression): (() => boolean) => {
    switch (node.kind) {
      case "boolean": {
        const { value } = node;
        return () => value;
      }
      case "local": {
        const { local } = node;
        return () => scalars[local] !== 0;
      }
      case "unary": {
        const operand = truth(node.operand);
        return () => !operand();
      }
      case "select": {
        const condition = truth(node.condition);
        const then = truth(node.then);
        const otherwise = truth(node.otherwise);
        return () => (condition() ? then() : otherwise());
      }
      case "binary": {
        const { operator } = node;
        if (operator === "&&" || operator === "||" || node.left.type === "bool") {
          const left = truth(node.left);
          const right = truth(node.right);
          if (operator === "&&") return () => left() && right();
          if (operator === "||") return () => left() || right();
          return () => (left() === right()) === (operator === "==");
        }
        const left = number(node.left);
        const right = number(node.right);
        return () => {
          const x = left();
          const y = right();
          if (tooClose(x, y)) undecided = true;
          return compare(operator, x.value, y.value);
        };
      }
      default:
        throw new Error(`${node.kind} is not a condition`);
    }
  };

  const statement = (node: Statement): (() => boolean) => {
    if (node.kind === "if") {
      const condition = truth(node.condition);
      const then = sequence(node.then);
      const otherwise = sequence(node.otherwise);
      return () => (condition() ? then() : otherwise());
    }
    if (node.kind !== "return" && node.value.type === "bool") {
      const { local } = node;
      const value = truth(node.value);
      return () => {
        scalars[local] = value() ? 1 : 0;
        return false;
      };
    }
    const value = number(node.value);
    if (node.kind === "return") {
      return () => {
        result = value();
        return true;
      };
    }
    const { local } = node;
    return () => {
      const bounded = value();
      scalars[local] = bounded.value;
      errors[local] = bounded.error;
      return false;
    };
  };

  const sequence = (nodes: readonly Statement[]): (() => boolean) => {
    const steps = nodes.map(statement);
    return () => {
      for (const step of steps) if (step()) return true;
      return false;
    };
  };

  const body = sequence(source.body);
  return {
    scalars,
    arrays,
    offsets,
    run: () => {
      undecided = false;
      body();
      return undecided || !Number.isFinite(result.value) ? { value: result.value, error: Infinity } : result;
    },
  };
}
