import { binaryF32, primitiveF32, unaryF32 } from "./arithmetic.ts";
import type { Argument, Call, Expression, IrFunction, Statement } from "./ir.ts";
import { isPrimitive, libraryFunction } from "./library.ts";

type Evaluate = () => number;
/** How a statement ended. */
const NEXT = 0;
const BREAK = 1;
const CONTINUE = 2;
const RETURN = 3;
type Outcome = 0 | 1 | 2 | 3;

/** A function ready to run in f32: scalars go to `scalars`, arrays to `arrays` and `offsets`, by parameter. */
export interface F32Function {
  readonly scalars: Float64Array;
  readonly arrays: ArrayLike<number>[];
  readonly offsets: Int32Array;
  /** Booleans are 1 and 0. */
  run(): number;
}

/** Draws the next uniform random number in [0, 1). */
export type Draw = () => number;

const noRandomness: Draw = () => {
  throw new Error("this function draws no random numbers");
};

/**
 * Intermediate form -> a tree of closures that computes in f32, rounding after every operation. The slow
 * twin: constant folding, tests, and machines where WebAssembly is refused. No recursion in the language, so
 * one frame a function is enough.
 */
export function interpretF32(source: IrFunction, draw: Draw = noRandomness): F32Function {
  return build(source, new Map(), draw);
}

/** Where an index leads: truncated, held within the list; NaN to the first. */
export const heldIndex = (index: number, length: number): number =>
  index > 0 ? Math.min(Math.trunc(index), length - 1) : 0;

function build(source: IrFunction, known: Map<string, F32Function>, draw: Draw): F32Function {
  const scalars = new Float64Array(source.locals.length);
  const arrays: ArrayLike<number>[] = source.locals.map(({ type, constant }, i) =>
    constant
      ? constant
      : typeof type === "string" || i < source.parameterCount
        ? []
        : new Float32Array(type.length),
  );
  const offsets = new Int32Array(source.locals.length);
  let result = 0;

  const callee = (name: string): F32Function => {
    let target = known.get(name);
    if (!target) {
      target = build(source.functions.get(name) ?? libraryFunction(name), known, draw);
      known.set(name, target);
    }
    return target;
  };

  const call = (node: Call): Evaluate => {
    if (isPrimitive(node.callee)) {
      const operate = primitiveF32[node.callee];
      const value = expression(node.arguments[0] as Expression);
      return () => operate(value());
    }
    const target = callee(node.callee);
    const values = node.arguments.map((argument): Evaluate | null =>
      argument.kind === "reference" ? null : expression(argument),
    );
    const references = node.arguments.map((argument: Argument) =>
      argument.kind === "reference" ? argument.local : -1,
    );
    return () => {
      // All arguments first: one of them may call the same function and use its frame.
      const ready = values.map((value) => (value ? value() : 0));
      for (let i = 0; i < ready.length; i++) {
        const reference = references[i]!;
        if (reference < 0) target.scalars[i] = ready[i]!;
        else {
          target.arrays[i] = arrays[reference]!;
          target.offsets[i] = offsets[reference]!;
        }
      }
      return target.run();
    };
  };

  const expression = (node: Expression): Evaluate => {
    switch (node.kind) {
      case "number": {
        const value = Math.fround(node.value);
        return () => value;
      }
      case "boolean": {
        const value = node.value ? 1 : 0;
        return () => value;
      }
      case "local": {
        const { local } = node;
        return () => scalars[local]!;
      }
      case "element": {
        const { local, index } = node;
        return () => arrays[local]![offsets[local]! + index]!;
      }
      case "item": {
        const { local, offset, length } = node;
        const index = expression(node.index);
        return () => arrays[local]![offsets[local]! + offset + heldIndex(index(), length)]!;
      }
      case "unary": {
        const operate = unaryF32[node.operator];
        const operand = expression(node.operand);
        return () => operate(operand());
      }
      case "binary": {
        const operate = binaryF32[node.operator];
        const left = expression(node.left);
        const right = expression(node.right);
        return () => operate(left(), right());
      }
      case "select": {
        const condition = expression(node.condition);
        const then = expression(node.then);
        const otherwise = expression(node.otherwise);
        return () => (condition() !== 0 ? then() : otherwise());
      }
      case "call":
        return call(node);
    }
  };

  const statement = (node: Statement): (() => Outcome) => {
    switch (node.kind) {
      case "if": {
        const condition = expression(node.condition);
        const then = sequence(node.then);
        const otherwise = sequence(node.otherwise);
        return () => (condition() !== 0 ? then() : otherwise());
      }
      case "loop": {
        const { local } = node;
        const start = expression(node.start);
        const condition = expression(node.condition);
        const update = expression(node.update);
        const body = sequence(node.body);
        return () => {
          for (scalars[local] = start(); condition() !== 0; scalars[local] = update()) {
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
        const value = node.value ? expression(node.value) : () => 0;
        return () => {
          result = value();
          return RETURN;
        };
      }
      case "draw": {
        const { local } = node;
        return () => {
          scalars[local] = draw();
          return NEXT;
        };
      }
      case "run": {
        const run = call(node.call);
        return () => {
          run();
          return NEXT;
        };
      }
      case "array": {
        const { local } = node;
        const values = node.values.map(expression);
        return () => {
          const ready = values.map((value) => value());
          (arrays[local] as Float32Array).set(ready);
          return NEXT;
        };
      }
      case "store": {
        const { local, offset, length } = node;
        const index = expression(node.index);
        const value = expression(node.value);
        return () => {
          const at = offsets[local]! + offset + heldIndex(index(), length);
          (arrays[local] as Float32Array)[at] = value();
          return NEXT;
        };
      }
      case "declare":
      case "assign": {
        const { local } = node;
        const value = expression(node.value);
        return () => {
          scalars[local] = value();
          return NEXT;
        };
      }
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
    arrays,
    offsets,
    run: () => {
      body();
      return result;
    },
  };
}
