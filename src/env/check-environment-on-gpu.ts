import type { GpuDevice } from "../gpu/device.ts";
import { runRows } from "../gpu/run-rows.ts";
import { type CheckOptions, type PlayedReset, type PlayedStep, playByTwin } from "./check-environment.ts";
import { type EnvironmentCheck, EnvironmentComparison } from "./compare-environment.ts";
import { actionSize } from "./environment.ts";
import type { CompiledEnvironment } from "./compile-environment.ts";
import { gpuMismatch } from "../compile/gpu-mismatch.ts";

/**
 * Runs the environment's WGSL (start states, steps, rewards, ends, observations, masks) in the states that random play
 * reaches, and compares all of it with the f32 twin, within what rounding explains. Rejects with "compile/gpu-mismatch",
 * "gpu/shader" and "gpu/lost".
 */
export async function checkEnvironmentOnGpu(
  gpu: GpuDevice,
  environment: CompiledEnvironment,
  options: CheckOptions,
): Promise<EnvironmentCheck> {
  const starts: PlayedReset[] = [];
  const steps: PlayedStep[] = [];
  playByTwin(environment, options, {
    reset: (start) => starts.push(start),
    step: (step) => steps.push(step),
  });
  const size = environment.stateFields.length;
  const { observationSize } = environment;
  // In: state, action, random words. Out: next state, reward, end, mask, start state, observation.
  const dimensions = actionSize(environment);
  const given = size + dimensions + 4;
  const made = 2 * size + 3 + observationSize;
  const input = new Uint32Array(steps.length * given);
  const floats = new Float32Array(input.buffer);
  steps.forEach(({ before, action }, i) => {
    floats.set(before, i * given);
    floats.set(typeof action === "number" ? [action] : action, i * given + size);
    input.set(starts[i % starts.length]!.words, i * given + size + dimensions);
  });
  const work = { name: "check/environment", ...shader(environment, dimensions, given, made) };
  const output = await runRows(gpu, work, input, steps.length, made);
  const results = new Float32Array(output.buffer);

  const comparison = new EnvironmentComparison(environment, null, { ...gpuMismatch(gpu), fuses: true });
  steps.forEach(({ before, action, outcome }, i) => {
    const row = i * made;
    const part = (at: number, length: number): Float32Array => results.slice(row + at, row + at + length);
    const start = starts[i];
    if (start) comparison.reset(start.words, part(size + 3, size), start.state);
    comparison.step(
      before,
      action,
      {
        next: part(0, size),
        reward: results[row + size]!,
        rewards: null,
        terminated: output[row + size + 1] !== 0,
        mask: environment.mask ? output[row + size + 2]! : null,
        observation: part(2 * size + 3, observationSize),
      },
      outcome,
    );
  });
  return comparison.result;
}

function shader(
  { stateFields, observationSize, actions, mask, wgsl }: CompiledEnvironment,
  dimensions: number,
  given: number,
  made: number,
): {
  readonly declarations: string;
  readonly body: string;
  readonly parts: { readonly environment: string };
} {
  const size = stateFields.length;
  const all = (count: number, body: string): string => `for (var k = 0u; k < ${count}u; k++) { ${body} }`;
  const copy = (from: string, at: number, count: number): string =>
    all(count, `output[target_row + ${at}u + k] = bitcast<u32>(${from}[k]);`);
  return {
    declarations: 'struct EnvStep { reward: f32, terminated: u32 }\n#include "environment"',
    parts: { environment: wgsl },
    body: `  let source = i * ${given}u;
  let target_row = i * ${made}u;
  let at = source + ${size + dimensions}u;
  var start = env_reset(vec4u(input[at], input[at + 1u], input[at + 2u], input[at + 3u]));
  ${copy("start", size + 3, size)}
  var state: array<f32, ${size}>;
  ${all(size, "state[k] = bitcast<f32>(input[source + k]);")}
  output[target_row + ${size + 2}u] = ${mask ? "env_mask(&state)" : "0u"};
  var action: array<f32, ${dimensions}>;
  ${all(dimensions, `action[k] = bitcast<f32>(input[source + ${size}u + k]);`)}
  let outcome = env_step(&state, ${dimensions > 1 ? "action" : actions?.kind === "continuous" ? "action[0]" : "u32(action[0])"});
  ${copy("state", 0, size)}
  output[target_row + ${size}u] = bitcast<u32>(outcome.reward);
  output[target_row + ${size + 1}u] = outcome.terminated;
  var seen = env_observe(&state);
  ${copy("seen", 2 * size + 3, observationSize)}`,
  };
}
