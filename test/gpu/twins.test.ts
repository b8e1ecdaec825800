import { describe, expect, test } from "vitest";
import { cartPole } from "../../src/env/cartpole.ts";
import * as math from "../../src/kernels/math.ts";
import { philox, random4 } from "../../src/kernels/philox.ts";
import { golden, worstDifference } from "../support/goldens.ts";
import { gpu, runPerElement } from "./support.ts";

const bits = (x: Float32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> => new Uint32Array(x.buffer);

/** Pseudo-random words from the counter RNG's `check` stream. */
function words(count: number, step: number): Uint32Array<ArrayBuffer> {
  const out = new Uint32Array(Math.ceil(count / 4) * 4);
  for (let i = 0; i < out.length; i += 4) random4(1, 6, step, i, out.subarray(i, i + 4));
  return out.subarray(0, count);
}

describe.skipIf(!gpu)("WGSL twins, bit for bit", () => {
  test("Philox: known answers and random counters", async () => {
    const count = 257;
    const input = words(count * 6, 0);
    const known = golden("rng");
    input.set([1, 2, 3, 4, 42, 7], 0);
    input.set([0, 0, 0, 0, 0, 0], 6);
    input.fill(0xffffffff, 12, 18);
    const actual = await runPerElement(
      '#include "common/philox.wgsl"',
      `let b = i * 6u;
       let r = philox(vec4u(input[b], input[b + 1u], input[b + 2u], input[b + 3u]), vec2u(input[b + 4u], input[b + 5u]));
       output[i * 5u] = r.x; output[i * 5u + 1u] = r.y; output[i * 5u + 2u] = r.z; output[i * 5u + 3u] = r.w;
       output[i * 5u + 4u] = bitcast<u32>(random_uniform(r.x));`,
      input,
      count,
      5,
    );
    expect([...actual.subarray(0, 4)]).toEqual(known.output("philox_1234_42_7"));
    expect([...actual.subarray(5, 9)]).toEqual(known.output("philox_zero"));
    expect([...actual.subarray(10, 14)]).toEqual(known.output("philox_ff"));
    const uniform = new Float32Array(actual.buffer, 16, 1);
    expect(uniform[0]).toBe(known.output("uniform24")[0]);
    const expected = new Uint32Array(4);
    for (let i = 0; i < count; i++) {
      const [c0, c1, c2, c3, k0, k1] = input.subarray(i * 6, i * 6 + 6);
      philox([c0!, c1!, c2!, c3!], [k0!, k1!], expected);
      expect([...actual.subarray(i * 5, i * 5 + 4)]).toEqual([...expected]);
    }
  });

  test("sin, cos, exp, log, tanh", async () => {
    const count = 8192;
    const x = Float32Array.from(words(count, 1), (w, i) => (w / 2 ** 32 - 0.5) * (i % 2 === 0 ? 20 : 1000));
    x.set([0, -0, 1, -1, Math.PI / 4, 1e-30, 1e30, -1e30]);
    const actual = await runPerElement(
      '#include "common/math.wgsl"',
      `let x = bitcast<f32>(input[i]);
       output[i * 5u] = bitcast<u32>(math_sin(x)); output[i * 5u + 1u] = bitcast<u32>(math_cos(x));
       output[i * 5u + 2u] = bitcast<u32>(math_exp(x)); output[i * 5u + 3u] = bitcast<u32>(math_log(abs(x)));
       output[i * 5u + 4u] = bitcast<u32>(math_tanh(x));`,
      bits(x),
      count,
      5,
    );
    const expected = new Float32Array(count * 5);
    x.forEach((v, i) => {
      const inRange = Math.abs(v) <= 8192;
      expected.set([math.sin(v), math.cos(v), math.exp(v), math.log(Math.abs(v)), math.tanh(v)], i * 5);
      if (!inRange) expected.set(new Float32Array(actual.buffer, i * 20, 2), i * 5);
    });
    expect(differing(actual, bits(expected))).toEqual([]);
  });

  test("CartPole steps, and follows the golden trace", async () => {
    const environment = cartPole();
    const count = 4096;
    const random = words(count * 4, 2);
    const input = new Float32Array(count * 5);
    for (let i = 0; i < count; i++) {
      const spread = [2.5, 3, 0.25, 3];
      for (let f = 0; f < 4; f++) input[i * 5 + f] = (random[i * 4 + f]! / 2 ** 31 - 1) * spread[f]!;
      input[i * 5 + 4] = random[i * 4]! & 1;
    }
    const run = (states: Float32Array<ArrayBuffer>, rows: number): Promise<Uint32Array<ArrayBuffer>> =>
      runPerElement(
        'struct EnvStep { reward: f32, terminated: u32 }\n#include "environment"',
        `var s: array<f32, 4>;
         for (var f = 0u; f < 4u; f++) { s[f] = bitcast<f32>(input[i * 5u + f]); }
         let outcome = env_step(&s, u32(bitcast<f32>(input[i * 5u + 4u])));
         for (var f = 0u; f < 4u; f++) { output[i * 10u + f] = bitcast<u32>(s[f]); }
         output[i * 10u + 4u] = bitcast<u32>(outcome.reward); output[i * 10u + 5u] = bitcast<u32>(f32(outcome.terminated));
         let r = env_reset(vec4u(input[i * 5u], input[i * 5u + 1u], input[i * 5u + 2u], input[i * 5u + 3u]));
         for (var f = 0u; f < 4u; f++) { output[i * 10u + 6u + f] = bitcast<u32>(r[f]); }`,
        bits(states),
        rows,
        10,
        { parts: { environment: environment.wgsl } },
      );
    const actual = await run(input, count);
    const expected = new Float32Array(count * 10);
    for (let i = 0; i < count; i++) {
      expected.set(input.subarray(i * 5, i * 5 + 4), i * 10);
      environment.step(expected, i * 10, input[i * 5 + 4]!, expected.subarray(i * 10 + 4));
      environment.reset(expected, i * 10 + 6, bits(input).subarray(i * 5, i * 5 + 4));
    }
    expect(differing(actual, bits(expected))).toEqual([]);

    // Every step from the golden state before it, all in one dispatch.
    const trace = golden("env_traces");
    const actions = trace.input("cartpole_actions");
    const states = trace.output("cartpole");
    const before = actions.flatMap((action, row) => [
      ...(row === 0 ? trace.input("cartpole_s0") : states.slice(row * 5 - 5, row * 5 - 1)),
      action,
    ]);
    const after = new Float32Array((await run(Float32Array.from(before), actions.length)).buffer);
    for (let row = 0; row < actions.length; row++) {
      const next = after.subarray(row * 10, row * 10 + 4);
      expect(worstDifference(next, states.slice(row * 5, row * 5 + 4), trace.f32)).toBeNull();
      expect(after[row * 10 + 5]).toBe(states[row * 5 + 4]);
    }
  });
});

/** First few places whose bits differ, NaN counted equal to NaN. */
function differing(actual: Uint32Array<ArrayBuffer>, expected: Uint32Array<ArrayBuffer>): string[] {
  const a = new Float32Array(actual.buffer);
  const b = new Float32Array(expected.buffer);
  const places: string[] = [];
  for (let i = 0; i < expected.length && places.length < 5; i++) {
    if (actual[i] !== expected[i] && !(Number.isNaN(a[i]) && Number.isNaN(b[i]))) {
      places.push(`${i}: ${a[i]} is not ${b[i]}`);
    }
  }
  return places;
}
