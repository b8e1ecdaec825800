import { binaryF32, primitiveF32, unaryF32 } from "./arithmetic.ts";
import type { Expression, IrFunction, Statement } from "./ir.ts";
import { isPrimitive, libraryFunction } from "./library.ts";

type Evaluate = () => number;

/** A function ready to run in f32: scalars go to `scalars`, arrays to `arrays` and `offsets`, by parameter. */
export interface F32Function {
  readonly scalars: Float64Array;
  readonly arrays: ArrayLike<number>[];
  readonly offsets: Int32Array;
  /** Booleans are 1 and 0. */
  run(): number;
}

/**
 * Intermediate form -> a tree of closures that computes in f32, rounding after every operation. The slow
 * twin: constant folding, tests, and machines where WebAssembly is refused. No recursion in the language, so
 * one frame a function is enough.
 */
export function interpretF32(source: IrFunction): F32Function {
  return build(source, new Map());
}

function build(source: IrFunction, library: Map<string, F32Function>): F32Function {
  const scalars = new Float64Array(source.locals.length);
  const arrays: ArrayLike<number>[] = source.locals.map(() => []);
  const offsets = new Int32Array(source.locals.length);
  let result = 0;

  const libraryCall = (name: string): F32Function => {
    let target = library.get(name);
    if (!target) {
      target = build(libraryFunction(name), library);
      library.set(name, target);
    }
    return target;
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
      case "call": {
        const values = node.arguments.map(expression);
        if (isPrimitive(node.callee)) {
          const operate = primitiveF32[node.callee];
          const value = values[0]!;
          return () => operate(value());
        }
        const target = libraryCall(node.callee);
        return () => {
          // All arguments first: one of them may call the same function and use its frame.
          const ready = values.map((value) => value());
          for (let i = 0; i < ready.length; i++) target.scalars[i] = ready[i]!;
          return target.run();
        };
      }
    }
  };

  /** Whether the function has returned. */
  const statement = (node: Statement): (() => boolean) => {
    if (node.kind === "if") {
      const condition = expression(node.condition);
      const then = sequence(node.then);
      const otherwise = sequence(node.otherwise);
      return () => (condition() !== 0 ? then() : otherwise());
    }
    const value = expression(node.value);
    if (node.kind === "return") {
      return () => {
        result = value();
        return true;
      };
    }
    const { local } = node;
    return () => {
      scalars[local] = value();
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
      body();
      return result;
    },
  };
}
