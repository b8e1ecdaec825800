import type { GpuDevice } from "../gpu/device.ts";
import { FulguriteError } from "../gpu/error.ts";
import { runRows, type RowWork } from "../gpu/run-rows.ts";
import { randomAction, type RewardCheck } from "./check.ts";
import { describeRow, type LossCheck, randomRow } from "./check-loss.ts";
import type { CompiledStepReward } from "./compile.ts";
import { type CompiledLoss, lossColumns, trainedColumns } from "./compile-loss.ts";
import { describeState } from "./describe-state.ts";
import type { Bounded } from "./error-bounds.ts";
import { gpuMismatch } from "./gpu-mismatch.ts";

/** Collects what a GPU gave, beside the reference's bounds and the CPU's value. */
class Comparison {
  readonly #gpu: GpuDevice;
  readonly #subject: string;
  largest = 0;

  constructor(gpu: GpuDevice, subject: string) {
    this.#gpu = gpu;
    this.#subject = subject;
  }

  /** Throws "compile/gpu-mismatch" where rounding does not explain the difference. */
  compare(what: string, actual: number, cpu: number, { value, error }: Bounded, place: () => string): void {
    const difference = Math.abs(actual - value);
    this.largest = Math.max(this.largest, difference);
    if (difference <= error) return;
    const { code, where, fix } = gpuMismatch(this.#gpu);
    throw new FulguriteError(
      code,
      `The ${this.#subject}'s forms disagree: ${what} is ${actual} ${where} and ${cpu} on the CPU (${place()}).`,
      fix,
    );
  }
}

/** Runs `work` over rows of floats. */
async function evaluate(
  gpu: GpuDevice,
  work: RowWork,
  input: Float32Array<ArrayBuffer>,
  rows: number,
  stride: number,
): Promise<Float32Array> {
  const output = await runRows(gpu, work, new Uint32Array(input.buffer), rows, stride);
  return new Float32Array(output.buffer);
}

/**
 * Runs a step reward's WGSL on random steps and compares it with the CPU's form, within what rounding explains. Rejects
 * with "compile/gpu-mismatch", "gpu/shader" and "gpu/lost".
 */
export async function checkRewardOnGpu(
  gpu: GpuDevice,
  compiled: CompiledStepReward,
  { states: count, seed }: { readonly states: number; readonly seed: number },
): Promise<Omit<RewardCheck, "nonFinite">> {
  const { stateFields, actionSize, wgsl } = compiled;
  const size = stateFields.length;
  const stride = 2 * size + actionSize;
  const steps = new Float32Array(count * stride);
  for (let i = 0; i < count; i++) {
    const step = steps.subarray(i * stride, (i + 1) * stride);
    const action = randomAction(step, compiled, seed, i);
    step.set(typeof action === "number" ? [action] : action, 2 * size);
  }
  const read = `  let source = i * ${stride}u;
  var s: array<f32, ${size}>;
  var next: array<f32, ${size}>;
  for (var k = 0u; k < ${size}u; k++) {
    s[k] = bitcast<f32>(input[source + k]);
    next[k] = bitcast<f32>(input[source + ${size}u + k]);
  }
  var a: array<f32, ${actionSize}>;
  for (var k = 0u; k < ${actionSize}u; k++) { a[k] = bitcast<f32>(input[source + ${2 * size}u + k]); }
  output[i] = bitcast<u32>(step_reward(s, ${actionSize > 1 ? "a" : "a[0]"}, next));`;
  const work = { name: "check/reward", declarations: wgsl, body: read };
  const rewards = await evaluate(gpu, work, steps, count, 1);
  const comparison = new Comparison(gpu, "reward");
  let checkedStates = 0;
  for (let i = 0; i < count; i++) {
    const at = i * stride;
    const list = steps.subarray(at + 2 * size, at + stride);
    const a = actionSize > 1 ? list : list[0]!;
    const bounded = compiled.referenceWithBound(steps, at, a, steps, at + size);
    if (bounded.error === Infinity) continue;
    checkedStates++;
    const cpu = compiled.evaluate(steps, at, a, steps, at + size);
    const fields = (from: number): string => describeState(stateFields, steps, from);
    comparison.compare(
      "it",
      rewards[i]!,
      cpu,
      bounded,
      () => `s: ${fields(at)}; a: ${String(a)}; next: ${fields(at + size)}`,
    );
  }
  return { checkedStates, largestDifference: comparison.largest, undecided: count - checkedStates };
}

/** The same for a row's loss and its derivatives. */
export async function checkLossOnGpu(
  gpu: GpuDevice,
  compiled: CompiledLoss,
  { rows: count, seed }: { readonly rows: number; readonly seed: number },
): Promise<Omit<LossCheck, "checkedDerivatives">> {
  const width = lossColumns.length;
  const made = 1 + trainedColumns.length;
  const rows = new Float32Array(count * width);
  for (let i = 0; i < count; i++) randomRow(rows.subarray(i * width, (i + 1) * width), seed, i);
  const body = `  var row: array<f32, ${width}>;
  for (var k = 0u; k < ${width}u; k++) { row[k] = bitcast<f32>(input[i * ${width}u + k]); }
  let made = row_loss(row);
  for (var k = 0u; k < ${made}u; k++) { output[i * ${made}u + k] = bitcast<u32>(made[k]); }`;
  const work = { name: "check/loss", declarations: compiled.wgsl, body };
  const results = await evaluate(gpu, work, rows, count, made);
  const comparison = new Comparison(gpu, "loss");
  const cpu = new Float32Array(made);
  let checkedRows = 0;
  for (let i = 0; i < count; i++) {
    const at = i * width;
    const bounds = [
      compiled.reference(rows, at),
      ...trainedColumns.map((_, by) => compiled.referenceDerivative(rows, at, by)),
    ];
    if (bounds.some(({ error }) => error === Infinity)) continue;
    checkedRows++;
    compiled.evaluate(rows, at, cpu, 0);
    bounds.forEach((bounded, k) => {
      const what = k === 0 ? "the loss" : `its derivative by ${trainedColumns[k - 1]!}`;
      comparison.compare(what, results[i * made + k]!, cpu[k]!, bounded, () =>
        describeRow(rows.subarray(at, at + width)),
      );
    });
  }
  return { checkedRows, largestDifference: comparison.largest, undecided: count - checkedRows };
}
