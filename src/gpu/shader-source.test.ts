import { expect, test } from "vitest";
import { assembleShader } from "./shader-source.ts";

test("directives expand to plain WGSL", () => {
  const source = `#include "part"
#include "part"
#for i in 0..N
#for j in 1..3
let x{i}_{j} = a[{i*4}u + {j}u].{notAVariable};
#end
#if FLAG
on({i});
#else
off({i});
#end
#end
#if missing
never
#end`;
  const text = assembleShader(source, {
    constants: { N: 2, FLAG: false, V: "vec2f(1.0)" },
    parts: { part: "fn part() {}" },
  });
  expect(text.split("\n")).toEqual([
    "const N: u32 = 2u;",
    "const FLAG: bool = false;",
    "const V = vec2f(1.0);",
    "fn part() {}",
    "let x0_1 = a[0u + 1u].{notAVariable};",
    "let x0_2 = a[0u + 2u].{notAVariable};",
    "off(0);",
    "let x1_1 = a[4u + 1u].{notAVariable};",
    "let x1_2 = a[4u + 2u].{notAVariable};",
    "off(1);",
  ]);
});

test("what cannot be followed is an error", () => {
  const code = expect.objectContaining({ code: "gpu/shader-source" }) as Error;
  expect(() => assembleShader('#include "nowhere.wgsl"')).toThrow(code);
  expect(() => assembleShader("#for i in 0..UNKNOWN\n#end")).toThrow(code);
  expect(() => assembleShader("#if A\n", { constants: { A: true } })).toThrow(code);
  expect(() => assembleShader("#end")).toThrow(code);
});
