import {
  add,
  type Bounded,
  call as libraryCall,
  divide,
  larger,
  literal,
  multiply,
  smaller,
  subtract,
  tooClose,
  unary,
} from "./error-bounds.ts";
import { type Draw, heldIndex } from "./interpret.ts";
import {
  type BinaryOperator,
  type Call,
  type Expression,
  type IrFunction,
  isComparison,
  type Statement,
} from "./ir.ts";

/** An array in f64, with the error of its f32 counterpart; null: exact. */
export interface BoundedArray {
  readonly values: ArrayLike<number>;
  readonly errors: Float64Array | null;
}

/** A function ready to run in f64: scalars go to `scalars`, arrays to `arrays` and `offsets`, by parameter. */
export interface ReferenceFunction {
  readonly scalars: Float64Array;
  /** Errors of the scalars; 0 for what is given exactly. */
  readonly errors: Float64Array;
  /** What the function writes must be a Float64Array with errors. */
  readonly arrays: BoundedArray[];
  readonly offsets: Int32Array;
  /**
   * The value, and the largest difference to it that rounding in f32 explains, on any engine (running error
   * analysis: Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, section 3.3). Infinity
   * where there is none: a comparison or a step too close to call, a pole, an overflow. Truth values are 1 and
   * 0. Without a result the value is 0, and the error says only whether something was too close to call.
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

/** Shared by a function and those that it calls. */
interface Run {
  readonly draw: Draw;
  readonly frames: Map<string, ReferenceFunction>;
  undecided: boolean;
}

const noRandomness: Draw = () => {
  throw new Error("this function draws no random numbers");
};

/** Intermediate form -> an f64 evaluator with JavaScript's own Math, for tests and checks. Expects unfolded input. */
export function interpretReference(source: IrFunction, draw: Draw = noRandomness): ReferenceFunction {
  const run: Run = { draw, frames: new Map(), undecided: false };
  const frame = build(source, run);
  return {
    ...frame,
    run: () => {
      run.undecided = false;
      const result = frame.run();
      return run.undecided || !Number.isFinite(result.value)
        ? { value: result.value, error: Infinity }
        : result;
    },
  };
}

const NEXT = 0;
const BREAK = 1;
const CONTINUE = 2;
const RETURN = 3;
type Outcome = 0 | 1 | 2 | 3;

function build(source: IrFunction, context: Run): ReferenceFunction {
  const scalars = new Float64Array(source.locals.length);
  const errors = new Float64Array(source.locals.length);
  const arrays: BoundedArray[] = source.locals.map(({ type, constant }, i) =>
    constant
      ? { values: constant, errors: null }
      : typeof type === "string" || i < source.parameterCount
        ? { values: [], errors: null }
        : { values: new Float64Array(type.length), errors: new Float64Array(type.length) },
  );
  const offsets = new Int32Array(source.locals.length);
  let result: Bounded = { value: NaN, error: Infinity };

  const own = (name: string): ReferenceFunction => {
    const known = context.frames.get(name);
    if (known) return known;
    const frame = build(source.functions.get(name)!, context);
    context.frames.set(name, frame);
    return frame;
  };

  /** A call of one of the program's own functions. */
  const call = (node: Call): (() => Bounded) => {
    const target = own(node.callee);
    const values = node.arguments.map((argument): (() => Bounded) => {
      if (argument.kind === "reference") return () => ({ value: 0, error: 0 });
      if (argument.type === "f32") return number(argument);
      const value = truth(argument);
      return () => ({ value: value() ? 1 : 0, error: 0 });
    });
    return () => {
      const ready = values.map((value) => value());
      node.arguments.forEach((argument, i) => {
        if (argument.kind === "reference") {
          target.arrays[i] = arrays[argument.local]!;
          target.offsets[i] = offsets[argument.local]!;
        } else {
          target.scalars[i] = ready[i]!.value;
          target.errors[i] = ready[i]!.error;
        }
      });
      return target.run();
    };
  };

  const read = (local: number, at: number): Bounded => {
    const { values, errors: bounds } = arrays[local]!;
    return { value: values[offsets[local]! + at]!, error: bounds ? bounds[offsets[local]! + at]! : 0 };
  };
  /** Where an index leads; too close to call where rounding could lead elsewhere. */
  const place = ({ value, error }: Bounded, length: number): number => {
    const at = heldIndex(value, length);
    if (error > 0 && (heldIndex(value - error, length) !== at || heldIndex(value + error, length) !== at)) {
      context.undecided = true;
    }
    return at;
  };

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
        return () => read(local, index);
      }
      case "item": {
        const { local, offset, length } = node;
        const index = number(node.index);
        return () => read(local, offset + place(index(), length));
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
        return () => {
          const before = context.undecided;
          context.undecided = false;
          const holds = condition();
          const close = context.undecided;
          context.undecided = before;
          const value = (holds ? then : otherwise)();
          if (!close) return value;
          // Too close to call: either branch may be taken, and often they agree.
          const other = (holds ? otherwise : then)();
          const error = Math.abs(value.value - other.value) + Math.max(value.error, other.error);
          return { value: value.value, error: Number.isNaN(error) ? Infinity : error };
        };
      }
      case "call": {
        if (source.functions.has(node.callee)) return call(node);
        const values = node.arguments.map((argument) => number(argument as Expression));
        const operate = libraryCall(node.callee);
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
          if (tooClose(x, y)) context.undecided = true;
          return compare(operator, x.value, y.value);
        };
      }
      case "call": {
        const value = call(node);
        return () => value().value !== 0;
      }
      default:
        throw new Error(`${node.kind} is not a condition`);
    }
  };

  /** Gives a local its value. */
  const set = (local: number, node: Expression): (() => Outcome) => {
    if (node.type === "bool") {
      const value = truth(node);
      return () => {
        scalars[local] = value() ? 1 : 0;
        return NEXT;
      };
    }
    const value = number(node);
    return () => {
      const bounded = value();
      scalars[local] = bounded.value;
      errors[local] = bounded.error;
      return NEXT;
    };
  };
  const write = (local: number, at: number, { value, error }: Bounded): void => {
    const { values, errors: bounds } = arrays[local]!;
    (values as Float64Array)[offsets[local]! + at] = value;
    bounds![offsets[local]! + at] = error;
  };

  const statement = (node: Statement): (() => Outcome) => {
    switch (node.kind) {
      case "if": {
        const condition = truth(node.condition);
        const then = sequence(node.then);
        const otherwise = sequence(node.otherwise);
        return () => (condition() ? then() : otherwise());
      }
      case "loop": {
        const start = set(node.local, node.start);
        const condition = truth(node.condition);
        const update = set(node.local, node.update);
        const body = sequence(node.body);
        return () => {
          for (start(); condition(); update()) {
            // The counter is what f32 makes of it: that is how the rounds were counted.
            scalars[node.local] = Math.fround(scalars[node.local]!);
            errors[node.local] = 0;
            const outcome = body();
            if (outcome === RETURN) return RETURN;
            if (outcome === BREAK) break;
          }
          return NEXT;
        };
      }
      case "break":
        return () => BREAK;
      case "continue":
        return () => CONTINUE;
      case "return": {
        if (!node.value) {
          return () => {
            result = { value: 0, error: 0 };
            return RETURN;
          };
        }
        const bool = node.value.type === "bool" ? truth(node.value) : null;
        const value = bool ? () => ({ value: bool() ? 1 : 0, error: 0 }) : number(node.value);
        return () => {
          result = value();
          return RETURN;
        };
      }
      case "draw":
        return () => {
          scalars[node.local] = context.draw();
          errors[node.local] = 0;
          return NEXT;
        };
      case "run": {
        const run = call(node.call);
        return () => {
          run();
          return NEXT;
        };
      }
      case "array": {
        const values = node.values.map(number);
        return () => {
          values
            .map((value) => value())
            .forEach((value, i) => {
              write(node.local, i, value);
            });
          return NEXT;
        };
      }
      case "store": {
        const { local, offset, length } = node;
        const index = number(node.index);
        const value = number(node.value);
        return () => {
          const at = offset + place(index(), length);
          write(local, at, value());
          return NEXT;
        };
      }
      case "declare":
      case "assign":
        return set(node.local, node.value);
    }
  };

  const sequence = (nodes: readonly Statement[]): (() => Outcome) => {
    const steps = nodes.map(statement);
    return () => {
      for (const step of steps) {
        const outcome = step();
        if (outcome !== NEXT) return outcome;
      }
      return NEXT;
    };
  };

  const body = sequence(source.body);
  return {
    scalars,
    errors,
    arrays,
    offsets,
    run: () => {
      body();
      return result;
    },
  };
}
