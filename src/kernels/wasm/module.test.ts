import { expect, test } from "vitest";
import { WasmModule } from "./module.ts";

test("a module with imports, branches, a loop and a call runs", () => {
  const wasm = new WasmModule();
  const square = wasm.importFunction("host", "square", ["f32"], ["f32"]);
  const larger = wasm.define(null, ["f32", "f32"], ["f32"], (body) => {
    const [a, b] = body.parameters;
    body.get(a!).get(b!).op("f32.gt");
    body.if(
      "f32",
      () => body.get(a!),
      () => body.get(b!),
    );
  });
  wasm.define("sumOfLarger", ["f32", "i32"], ["f32"], (body) => {
    const [x, count] = body.parameters;
    const total = body.local("f32");
    body.loop(null, () => {
      body.get(total);
      body.get(x!).call(square).get(count!).op("f32.convert_i32_s").call(larger);
      body.op("f32.add").set(total);
      body.get(count!).i32(-1).op("i32.add").tee(count!).branchIf(0);
    });
    body.get(total);
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm.encode()), {
    host: { square: (x: number) => x * x },
  });
  const run = instance.exports["sumOfLarger"] as (x: number, count: number) => number;
  // max(9, 200) + ... : 200 + 199 + ... + 10, then nine nines.
  expect(run(3, 200)).toBe((200 * 201) / 2 - 45 + 81);
});

test("vectors: constants, shuffles, memory", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const floats = new Float32Array(memory.buffer);
  floats.set([1, 2, 3, 4, 10, 20, 30, 40]);
  const wasm = new WasmModule();
  wasm.importMemory("host", "memory", 1);
  wasm.define("run", ["i32"], [], (body) => {
    const [at] = body.parameters;
    body.get(at!);
    body.get(at!).memory("v128.load").get(at!).memory("v128.load", 16).shuffle([0, 4, 3, 7]);
    body.f32x4(0.5).op("f32x4.mul").memory("v128.store", 1024);
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wasm.encode()), { host: { memory } });
  (instance.exports["run"] as (at: number) => void)(0);
  expect([...floats.subarray(256, 260)]).toEqual([0.5, 5, 2, 20]);
});
