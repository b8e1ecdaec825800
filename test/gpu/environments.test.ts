import { describe, expect, test } from "vitest";
import { actionSpace, type Environment } from "../../src/env/environment.ts";
import { environmentByName, environmentNames } from "../../src/env/registry.ts";
import { checkWords, playAtRandom } from "../support/play.ts";
import { gpu, runPerElement } from "./support.ts";

const EPISODES = 24;
const STEPS = 80;

interface Case {
  readonly state: Float32Array;
  readonly action: number;
  readonly words: Uint32Array;
}

/** States that random play reaches. */
function reached(environment: Environment): Case[] {
  const cases: Case[] = [];
  playAtRandom(environment, EPISODES, STEPS, ({ before, action }) => {
    cases.push({ state: before, action, words: checkWords(cases.length) });
  });
  return cases;
}

/** Next state, reward, terminated, observation, mask and a start state of every case, by the twin. */
function byTwin(environment: Environment, cases: readonly Case[], width: number): Float32Array {
  const size = environment.stateFields.length;
  const { observationSize } = environment;
  const out = new Float32Array(cases.length * width);
  cases.forEach(({ state, action, words }, i) => {
    const at = i * width;
    out.set(state, at);
    environment.step(out, at, action, out.subarray(at + size));
    environment.observe(out, at, out, at + size + 2);
    out[at + size + 2 + observationSize] = environment.mask?.(out, at) ?? 0;
    environment.reset(out, at + size + 3 + observationSize, words);
  });
  return out;
}

async function byShader(
  environment: Environment,
  cases: readonly Case[],
  width: number,
): Promise<Float32Array> {
  const size = environment.stateFields.length;
  const { observationSize } = environment;
  const stride = size + 5;
  const input = new Uint32Array(cases.length * stride);
  const floats = new Float32Array(input.buffer);
  const continuous = actionSpace(environment).kind === "continuous";
  cases.forEach(({ state, action, words }, i) => {
    floats.set(state, i * stride);
    floats[i * stride + size] = action;
    input.set(words, i * stride + size + 1);
  });
  const loop = (count: number, body: string): string => `for (var f = 0u; f < ${count}u; f++) { ${body} }`;
  const result = await runPerElement(
    'struct EnvStep { reward: f32, terminated: u32 }\n#include "environment"',
    `let source = i * ${stride}u;
     let target_row = i * ${width}u;
     var s: array<f32, ${size}>;
     ${loop(size, "s[f] = bitcast<f32>(input[source + f]);")}
     let action = bitcast<f32>(input[source + ${size}u]);
     let outcome = env_step(&s, ${continuous ? "action" : "u32(action)"});
     ${loop(size, "output[target_row + f] = bitcast<u32>(s[f]);")}
     output[target_row + ${size}u] = bitcast<u32>(outcome.reward);
     output[target_row + ${size + 1}u] = bitcast<u32>(f32(outcome.terminated));
     let o = env_observe(&s);
     ${loop(observationSize, `output[target_row + ${size + 2}u + f] = bitcast<u32>(o[f]);`)}
     output[target_row + ${size + 2 + observationSize}u] = bitcast<u32>(${environment.mask ? "f32(env_mask(&s))" : "0.0"});
     let at = source + ${size + 1}u;
     let r = env_reset(vec4u(input[at], input[at + 1u], input[at + 2u], input[at + 3u]));
     ${loop(size, `output[target_row + ${size + 3 + observationSize}u + f] = bitcast<u32>(r[f]);`)}`,
    input,
    cases.length,
    width,
    { parts: { environment: environment.wgsl } },
  );
  return new Float32Array(result.buffer as ArrayBuffer);
}

/** How many numbers differ, and the first of them. */
function differences(
  actual: Float32Array,
  expected: Float32Array,
  width: number,
): { count: number; first: string } {
  let count = 0;
  let first = "";
  expected.forEach((value, i) => {
    // Zero has no sign.
    if (actual[i] === value) return;
    if (count++ === 0)
      first = `case ${Math.floor(i / width)}, number ${i % width}: ${actual[i]} for ${value}`;
  });
  return { count, first };
}

describe.skipIf(!gpu)("an environment's WGSL and its twin agree bit for bit", () => {
  test.each(environmentNames)("%s", async (name) => {
    const environment = environmentByName(name);
    const width = 2 * environment.stateFields.length + 3 + environment.observationSize;
    const cases = reached(environment);
    expect(cases.length).toBeGreaterThanOrEqual(EPISODES);
    const expected = byTwin(environment, cases, width);
    expect(differences(await byShader(environment, cases, width), expected, width)).toEqual({
      count: 0,
      first: "",
    });
    // One fault in what follows the first of these, where it can be seen.
    const at = Math.max(environment.wgsl.search(/fn env_(walk|roll|next|step)/), 0);
    const fault = environment.wgsl
      .slice(at)
      .replace(/ == (\d)| \+ (?!1\.0\))/, (_, digit?: string) =>
        digit === undefined ? " - " : ` != ${digit}`,
      );
    const broken = { ...environment, wgsl: environment.wgsl.slice(0, at) + fault };
    expect(differences(await byShader(broken, cases, width), expected, width).count).toBeGreaterThan(0);
  });
});
