import {
  add,
  assign,
  constant,
  divide,
  forRange,
  keep,
  laneSums,
  load,
  multiply,
  read,
  splat,
  squareRoot,
  store,
  subtract,
} from "./expression.ts";
import type { WasmModule } from "./module.ts";

/** Exports `name(): f32`, the sum of squares of `length` f32 (a multiple of 4) at `address`. */
export function defineSumOfSquares(wasm: WasmModule, name: string, address: number, length: number): void {
  wasm.define(name, [], ["f32"], (body) => {
    const sum = body.local("v128");
    forRange(body, 0, length * 4, 16, (at) => {
      const g = keep(body, load(read(at), address));
      assign(body, sum, add(read(sum), multiply(g, g)));
    });
    const zero = constant(0);
    laneSums(body, [read(sum), zero, zero, zero])(body);
    body.extractLane(0);
  });
}

export interface AdamArenas {
  /** Addresses in bytes of four arenas of `length` f32 (a multiple of 4). */
  readonly parameters: number;
  readonly gradient: number;
  readonly firstMoment: number;
  readonly secondMoment: number;
  readonly length: number;
}

/**
 * Exports `name(scale, decay, stepSize, rootCorrection, epsilon)`: one AdamW step over the arenas, the gradient
 * multiplied by `scale` first, p <- p decay - stepSize m / (sqrt(v) rootCorrection + epsilon) with
 * decay = 1 - lr wd, stepSize = lr / (1 - 0.9^t), rootCorrection = 1 / sqrt(1 - 0.999^t). Beta 0.9 and 0.999.
 */
export function defineAdamW(wasm: WasmModule, name: string, arenas: AdamArenas): void {
  wasm.define(name, ["f32", "f32", "f32", "f32", "f32"], [], (body) => {
    const [scale, decay, stepSize, rootCorrection, epsilon] = body.parameters.map((p) =>
      keep(body, splat(read(p))),
    );
    forRange(body, 0, arenas.length * 4, 16, (local) => {
      const at = read(local);
      const g = keep(body, multiply(load(at, arenas.gradient), scale!));
      const m = keep(
        body,
        add(multiply(load(at, arenas.firstMoment), constant(0.9)), multiply(g, constant(0.1))),
      );
      const v = keep(
        body,
        add(
          multiply(load(at, arenas.secondMoment), constant(0.999)),
          multiply(multiply(g, g), constant(0.001)),
        ),
      );
      store(body, at, arenas.firstMoment, m);
      store(body, at, arenas.secondMoment, v);
      const step = divide(multiply(m, stepSize!), add(multiply(squareRoot(v), rootCorrection!), epsilon!));
      store(body, at, arenas.parameters, subtract(multiply(load(at, arenas.parameters), decay!), step));
    });
  });
}

/**
 * Exports `name(scale, decay, stepSize, alpha, complement, epsilon)`: one RMSprop step (Tieleman and Hinton 2012), the
 * gradient multiplied by `scale` first, v <- alpha v + complement g^2, p <- p decay - stepSize g / (sqrt(v) + epsilon);
 * epsilon inside the root where `inside` (TensorFlow's). The first moment stays as it is.
 */
export function defineRmsProp(wasm: WasmModule, name: string, arenas: AdamArenas, inside: boolean): void {
  wasm.define(name, ["f32", "f32", "f32", "f32", "f32", "f32"], [], (body) => {
    const [scale, decay, stepSize, alpha, complement, epsilon] = body.parameters.map((p) =>
      keep(body, splat(read(p))),
    );
    forRange(body, 0, arenas.length * 4, 16, (local) => {
      const at = read(local);
      const g = keep(body, multiply(load(at, arenas.gradient), scale!));
      const v = keep(
        body,
        add(multiply(load(at, arenas.secondMoment), alpha!), multiply(multiply(g, g), complement!)),
      );
      store(body, at, arenas.secondMoment, v);
      const root = inside ? squareRoot(add(v, epsilon!)) : add(squareRoot(v), epsilon!);
      const step = divide(multiply(g, stepSize!), root);
      store(body, at, arenas.parameters, subtract(multiply(load(at, arenas.parameters), decay!), step));
    });
  });
}
