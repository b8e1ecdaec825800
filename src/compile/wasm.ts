import { primitiveF32 } from "./arithmetic.ts";
import type { FunctionBody, Local as WasmLocal } from "../kernels/wasm/function-body.ts";
import { WasmModule } from "../kernels/wasm/module.ts";
import type { ScalarInstruction } from "../kernels/wasm/opcodes.ts";
import type { Argument, BinaryOperator, Expression, IrFunction, Statement, UnaryOperator } from "./ir.ts";
import { visitExpressions } from "./ir.ts";
import { isPrimitive, libraryFunction, primitives } from "./library.ts";

const unaryInstructions: Readonly<Record<Exclude<UnaryOperator, "sign">, ScalarInstruction>> = {
  negate: "f32.neg",
  not: "i32.eqz",
  abs: "f32.abs",
  floor: "f32.floor",
  ceil: "f32.ceil",
  trunc: "f32.trunc",
  sqrt: "f32.sqrt",
};

const numberInstructions: Readonly<Record<Exclude<BinaryOperator, "&&" | "||">, ScalarInstruction>> = {
  "+": "f32.add",
  "-": "f32.sub",
  "*": "f32.mul",
  "/": "f32.div",
  min: "f32.min",
  max: "f32.max",
  "<": "f32.lt",
  "<=": "f32.le",
  ">": "f32.gt",
  ">=": "f32.ge",
  "==": "f32.eq",
  "!=": "f32.ne",
};

/** Functions of one program, by the name under which they are exported. */
export type Entries = Readonly<Record<string, IrFunction>>;

/** A module, and what its memory holds: arrays of its own from `reserved` bytes on. */
export interface WasmBinary {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes in use; the caller's arrays lie in the first `reserved` of them. */
  readonly size: number;
  /** Captured lists, to be written to the memory at these byte addresses. */
  readonly constants: readonly { readonly address: number; readonly values: readonly number[] }[];
}

/**
 * Intermediate form -> a WebAssembly binary that exports the entries. Array parameters arrive as byte addresses
 * of f32 in the imported memory `host.memory`; scalars as f32. sin, cos, exp, log and tanh are imported from
 * `kernels/math.ts`, random numbers from `host.draw`. The same operations in the same order as `interpret.ts`,
 * so the same bits.
 */
export function emitWasm(entries: Entries, reserved: number): WasmBinary {
  return new WasmEmitter(reserved).emit(entries);
}

/** What `emitWasm`'s modules import besides `memory` and `draw`. */
export const wasmImports: Readonly<Record<string, (x: number) => number>> = primitiveF32;

class WasmEmitter {
  readonly #wasm = new WasmModule();
  readonly #indices = new Map<string, number>();
  readonly #constants: { address: number; values: readonly number[] }[] = [];
  #size: number;

  constructor(reserved: number) {
    this.#size = reserved;
  }

  emit(entries: Entries): WasmBinary {
    const used = new Set<string>();
    let draws = false;
    for (const entry of Object.values(entries)) {
      collect(entry, used);
      draws ||= entry.draws;
    }
    this.#wasm.importMemory("host", "memory", 1);
    for (const name of primitives) {
      if (used.has(name)) this.#indices.set(name, this.#wasm.importFunction("host", name, ["f32"], ["f32"]));
    }
    if (draws) this.#indices.set("#draw", this.#wasm.importFunction("host", "draw", [], ["f32"]));
    for (const [name, entry] of Object.entries(entries)) this.#define(entry, name);
    return { bytes: this.#wasm.encode(), size: this.#size, constants: this.#constants };
  }

  #define(source: IrFunction, exported: string | null): number {
    visitExpressions(source.body, (node) => {
      if (node.kind !== "call" || this.#indices.has(node.callee)) return;
      this.#indices.set(node.callee, this.#define(calleeOf(source, node.callee), null));
    });
    // No recursion: every local array has a place of its own.
    const addresses = source.locals.map(({ type, constant }, i) => {
      if (typeof type === "string" || i < source.parameterCount) return -1;
      const address = this.#size;
      this.#size += type.length * 4;
      if (constant) this.#constants.push({ address, values: constant });
      return address;
    });
    const parameters = source.locals.slice(0, source.parameterCount);
    return this.#wasm.define(
      exported,
      parameters.map(({ type }) => (type === "f32" ? "f32" : "i32")),
      source.result === null ? [] : [source.result === "f32" ? "f32" : "i32"],
      (body) => emitBody(body, source, this.#indices, addresses),
    );
  }
}

const calleeOf = (source: IrFunction, name: string): IrFunction =>
  source.functions.get(name) ?? libraryFunction(name);

/** Names of all primitives and functions that a function reaches. */
function collect(source: IrFunction, used: Set<string>): void {
  visitExpressions(source.body, (node) => {
    if (node.kind !== "call" || used.has(node.callee)) return;
    used.add(node.callee);
    if (!isPrimitive(node.callee)) collect(calleeOf(source, node.callee), used);
  });
}

function emitBody(
  body: FunctionBody,
  source: IrFunction,
  indices: ReadonlyMap<string, number>,
  addresses: readonly number[],
): void {
  const locals: (WasmLocal | null)[] = source.locals.map(({ type }, i) =>
    i < source.parameterCount
      ? body.parameters[i]!
      : typeof type === "string"
        ? body.local(type === "f32" ? "f32" : "i32")
        : null,
  );
  const temporary = body.local("f32");
  /** Structured instructions around this place, and where `break` and `continue` go. */
  let depth = 0;
  const loops: { readonly end: number; readonly next: number }[] = [];

  const nested = (inside: () => void) => (): void => {
    depth++;
    inside();
    depth--;
  };
  const branch = (type: "f32" | "i32" | null, then: () => void, otherwise: () => void): void => {
    body.if(type, nested(then), nested(otherwise));
  };

  /** The address of an array. */
  const array = (local: number): void => {
    const own = locals[local];
    if (own) body.get(own);
    else body.i32(addresses[local]!);
  };
  /** The address of an element in an array, but for the offset. */
  const address = (local: number, index: Expression, length: number): void => {
    array(local);
    if (index.kind === "number" && index.value === 0) return;
    expression(index);
    body
      .f32(0)
      .op("f32.max")
      .f32(length - 1)
      .op("f32.min")
      .op("i32.trunc_sat_f32_u");
    body.i32(2).op("i32.shl").op("i32.add");
  };

  const expression = (node: Argument): void => {
    switch (node.kind) {
      case "reference":
        array(node.local);
        return;
      case "number":
        body.f32(node.value);
        return;
      case "boolean":
        body.i32(node.value ? 1 : 0);
        return;
      case "local":
        body.get(locals[node.local]!);
        return;
      case "element":
        array(node.local);
        body.memory("f32.load", node.index * 4);
        return;
      case "item":
        address(node.local, node.index, node.length);
        body.memory("f32.load", node.offset * 4);
        return;
      case "unary":
        expression(node.operand);
        if (node.operator === "sign") {
          // Zero and NaN are their own sign.
          body.set(temporary).get(temporary).f32(0).op("f32.gt");
          branch(
            "f32",
            () => body.f32(1),
            () => {
              body.f32(-1).get(temporary).get(temporary).f32(0).op("f32.lt").op("select");
            },
          );
        } else body.op(unaryInstructions[node.operator]);
        return;
      case "binary":
        expression(node.left);
        if (node.operator === "&&") {
          branch(
            "i32",
            () => expression(node.right),
            () => body.i32(0),
          );
        } else if (node.operator === "||") {
          branch(
            "i32",
            () => body.i32(1),
            () => expression(node.right),
          );
        } else {
          expression(node.right);
          if (node.left.type === "bool") body.op(node.operator === "==" ? "i32.eq" : "i32.ne");
          else body.op(numberInstructions[node.operator]);
        }
        return;
      case "select":
        expression(node.condition);
        branch(
          node.type === "f32" ? "f32" : "i32",
          () => expression(node.then),
          () => expression(node.otherwise),
        );
        return;
      case "call":
        node.arguments.forEach(expression);
        body.call(indices.get(node.callee)!);
    }
  };

  const statement = (node: Statement): void => {
    switch (node.kind) {
      case "declare":
      case "assign":
        expression(node.value);
        body.set(locals[node.local]!);
        return;
      case "draw":
        body.call(indices.get("#draw")!).set(locals[node.local]!);
        return;
      case "array":
        // All values before the first store: they may read what was there.
        for (const value of node.values) expression(value);
        for (let i = node.values.length - 1; i >= 0; i--) {
          body
            .set(temporary)
            .i32(addresses[node.local]!)
            .get(temporary)
            .memory("f32.store", i * 4);
        }
        return;
      case "store":
        address(node.local, node.index, node.length);
        expression(node.value);
        body.memory("f32.store", node.offset * 4);
        return;
      case "run": {
        expression(node.call);
        const callee = calleeOf(source, node.call.callee);
        if (callee.result !== null) body.op("drop");
        return;
      }
      case "return":
        if (node.value) expression(node.value);
        body.op("return");
        return;
      case "break":
        body.branch(depth - loops.at(-1)!.end);
        return;
      case "continue":
        body.branch(depth - loops.at(-1)!.next);
        return;
      case "loop":
        loop(node);
        return;
      case "if":
        expression(node.condition);
        branch(
          null,
          () => node.then.forEach(statement),
          () => node.otherwise.forEach(statement),
        );
    }
  };

  const loop = (node: Statement & { readonly kind: "loop" }): void => {
    const counter = locals[node.local]!;
    expression(node.start);
    body.set(counter);
    const round = (): void => {
      const start = depth;
      expression(node.condition);
      body.op("i32.eqz").branchIf(1);
      body.block(
        null,
        nested(() => {
          loops.push({ end: start - 1, next: depth });
          node.body.forEach(statement);
          loops.pop();
        }),
      );
      expression(node.update);
      body.set(counter).branch(0);
    };
    body.block(
      null,
      nested(() => body.loop(null, nested(round))),
    );
  };

  source.body.forEach(statement);
  // Every path has returned; the validator does not know.
  body.op("unreachable");
}
