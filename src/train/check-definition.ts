import { checkLossOnGpu, checkRewardOnGpu } from "../compile/check-on-gpu.ts";
import { type CompiledStepReward, compileStepReward } from "../compile/compile.ts";
import { type CompiledLoss, compileLoss } from "../compile/compile-loss.ts";
import { checkEnvironmentOnGpu } from "../env/check-environment-on-gpu.ts";
import type { CompiledReward } from "../compile/compiled-reward.ts";
import type { CompiledEnvironment } from "../env/compile-environment.ts";
import type { Environment } from "../env/environment.ts";
import { environmentByName } from "../env/registry.ts";
import type { GpuDevice } from "../gpu/device.ts";
import { asFulguriteError, type ErrorData } from "../gpu/error.ts";
import type { EngineRequest } from "../rl/engine.ts";
import type { RewardSource } from "./job.ts";

/** What a person defined in numeric TypeScript, as it travels: text, never WGSL. */
export type Definition =
  /** By `Environment.reference`. */
  | { readonly kind: "environment"; readonly environment: string }
  | {
      readonly kind: "reward";
      readonly source: RewardSource;
      readonly stateFields: readonly string[];
      readonly actionCount: number;
      /** Numbers of an action; `a` is a list where there are more than one. */
      readonly actionSize: number;
    }
  | { readonly kind: "loss"; readonly source: RewardSource };

/** How a definition's WGSL compares with its form on the CPU. */
export type GpuVerdict =
  | {
      readonly kind: "agrees";
      readonly adapter: string;
      /** States or rows that were compared. */
      readonly checked: number;
      readonly largestDifference: number;
    }
  /** There is no GPU, nor anything that stands for one. */
  | { readonly kind: "absent" }
  /** They disagree, or the adapter does not take the shader. */
  | { readonly kind: "failed"; readonly error: ErrorData };

/** States and rows that are compared. */
const CHECKED = 256;
const SEED = 1;
/** Verdicts that a device keeps; the longest unused ones go first. */
const KEPT = 200;

interface Agreement {
  readonly checked: number;
  readonly largestDifference: number;
}

const kept = new WeakMap<GpuDevice, Map<string, Promise<Agreement>>>();

/** Checks once for each text of WGSL and device; what failed for another reason than the text is tried again. */
function once(gpu: GpuDevice, wgsl: string, check: () => Promise<Agreement>): Promise<Agreement> {
  const verdicts = kept.get(gpu) ?? new Map<string, Promise<Agreement>>();
  kept.set(gpu, verdicts);
  const found = verdicts.get(wgsl) ?? check();
  verdicts.delete(wgsl);
  verdicts.set(wgsl, found);
  for (const oldest of verdicts.keys()) {
    if (verdicts.size <= KEPT) break;
    verdicts.delete(oldest);
  }
  found.catch((error: unknown) => {
    if (asFulguriteError(error).code !== "compile/gpu-mismatch") verdicts.delete(wgsl);
  });
  return found;
}

const isCompiled = (environment: Environment): environment is CompiledEnvironment => "lowered" in environment;

const isStepReward = (reward: CompiledReward): reward is CompiledStepReward => "referenceWithBound" in reward;

const checkedEnvironment = (gpu: GpuDevice, environment: CompiledEnvironment): Promise<Agreement> =>
  once(gpu, environment.wgsl, async () => {
    const options = { states: CHECKED, seed: SEED };
    const { checkedStates, largestDifference } = await checkEnvironmentOnGpu(gpu, environment, options);
    return { checked: checkedStates, largestDifference };
  });

const checkedReward = (gpu: GpuDevice, reward: CompiledStepReward): Promise<Agreement> =>
  once(gpu, reward.wgsl, async () => {
    const options = { states: CHECKED, seed: SEED };
    const { checkedStates, largestDifference } = await checkRewardOnGpu(gpu, reward, options);
    return { checked: checkedStates, largestDifference };
  });

const checkedLoss = (gpu: GpuDevice, loss: CompiledLoss): Promise<Agreement> =>
  once(gpu, loss.wgsl, async () => {
    const { checkedRows, largestDifference } = await checkLossOnGpu(gpu, loss, { rows: CHECKED, seed: SEED });
    return { checked: checkedRows, largestDifference };
  });

/**
 * Runs all that a run compiled on the GPU and compares it with the CPU, each once for a device. Rejects with
 * "compile/gpu-mismatch": nothing may be trained there.
 */
export async function checkPartsOnGpu(
  gpu: GpuDevice,
  { environment, reward, cost, loss }: Omit<EngineRequest, "algorithm" | "seed">,
): Promise<void> {
  await Promise.all([
    isCompiled(environment) ? checkedEnvironment(gpu, environment) : null,
    ...[reward, cost].map((step) => (step && isStepReward(step) ? checkedReward(gpu, step) : null)),
    loss ? checkedLoss(gpu, loss) : null,
  ]);
}

function checkedDefinition(gpu: GpuDevice, definition: Definition): Promise<Agreement> {
  switch (definition.kind) {
    case "environment": {
      const environment = environmentByName(definition.environment);
      if (!isCompiled(environment)) throw new Error(`${environment.name} is not compiled from text`);
      return checkedEnvironment(gpu, environment);
    }
    case "reward": {
      const { source, stateFields, actionCount, actionSize } = definition;
      return checkedReward(
        gpu,
        compileStepReward(source.source, { ...source, stateFields, actionCount, actionSize }),
      );
    }
    case "loss":
      return checkedLoss(gpu, compileLoss(definition.source.source, definition.source));
  }
}

/** Runs a definition on the GPU and compares it with the CPU, on random states; never rejects. */
export async function checkDefinition(gpu: GpuDevice | null, definition: Definition): Promise<GpuVerdict> {
  if (!gpu) return { kind: "absent" };
  try {
    return { kind: "agrees", adapter: gpu.adapter, ...(await checkedDefinition(gpu, definition)) };
  } catch (error) {
    return { kind: "failed", error: asFulguriteError(error).toData() };
  }
}
