import { primitiveF32 } from "./arithmetic.ts";
import type { FunctionBody, Local as WasmLocal } from "../kernels/wasm/function-body.ts";
import { WasmModule } from "../kernels/wasm/module.ts";
import type { ScalarInstruction } from "../kernels/wasm/opcodes.ts";
import type { BinaryOperator, Expression, IrFunction, Statement, UnaryOperator } from "./ir.ts";
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

/**
 * Intermediate form -> a WebAssembly binary that exports `run`. Array parameters arrive as byte addresses of
 * f32 in the imported memory `host.memory`; scalars as f32. sin, cos, exp, log and tanh are imported from
 * `kernels/math.ts`. The same operations in the same order as `interpret.ts`, so the same bits.
 */
export function emitWasm(source: IrFunction): Uint8Array<ArrayBuffer> {
  const wasm = new WasmModule();
  const used = new Set<string>();
  collect(source, used);
  wasm.importMemory("host", "memory", 1);
  const indices = new Map<string, number>();
  for (const name of primitives) {
    if (used.has(name)) indices.set(name, wasm.importFunction("host", name, ["f32"], ["f32"]));
  }
  define(wasm, source, "run", indices);
  return wasm.encode();
}

/** What `emitWasm`'s modules import besides `memory`. */
export const wasmImports: Readonly<Record<string, (x: number) => number>> = primitiveF32;

/** Names of all primitives and library functions that a function reaches. */
function collect(source: IrFunction, used: Set<string>): void {
  visitExpressions(source.body, (node) => {
    if (node.kind !== "call" || used.has(node.callee)) return;
    used.add(node.callee);
    if (!isPrimitive(node.callee)) collect(libraryFunction(node.callee), used);
  });
}

function define(
  wasm: WasmModule,
  source: IrFunction,
  exported: string | null,
  indices: Map<string, number>,
): number {
  visitExpressions(source.body, (node) => {
    if (node.kind !== "call" || indices.has(node.callee)) return;
    indices.set(node.callee, define(wasm, libraryFunction(node.callee), null, indices));
  });
  const parameters = source.locals.slice(0, source.parameterCount);
  return wasm.define(
    exported,
    parameters.map(({ type }) => (type === "f32" ? "f32" : "i32")),
    ["f32"],
    (body) => emitBody(body, source, indices),
  );
}

function emitBody(body: FunctionBody, source: IrFunction, indices: ReadonlyMap<string, number>): void {
  const locals: WasmLocal[] = source.locals.map(
    ({ type }, i) => body.parameters[i] ?? body.local(type === "f32" ? "f32" : "i32"),
  );
  const temporary = body.local("f32");

  const expression = (node: Expression): void => {
    switch (node.kind) {
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
        body.get(locals[node.local]!).memory("f32.load", node.index * 4);
        return;
      case "unary":
        expression(node.operand);
        if (node.operator === "sign") {
          // Zero and NaN are their own sign.
          body.set(temporary).get(temporary).f32(0).op("f32.gt");
          body.if(
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
          body.if(
            "i32",
            () => expression(node.right),
            () => body.i32(0),
          );
        } else if (node.operator === "||") {
          body.if(
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
        body.if(
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
      case "return":
        expression(node.value);
        body.op("return");
        return;
      case "if":
        expression(node.condition);
        body.if(
          null,
          () => node.then.forEach(statement),
          () => node.otherwise.forEach(statement),
        );
    }
  };

  source.body.forEach(statement);
  // Every path has returned; the validator does not know.
  body.op("unreachable");
}
