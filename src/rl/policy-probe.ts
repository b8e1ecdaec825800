import type { GpuDevice } from "../gpu/device.ts";
import { policyHead } from "../kernels/action-space.ts";
import { probeVariants } from "../kernels/variant-probe.ts";
import type { EngineRequest } from "./engine.ts";
import { policyVariants, type PolicyVariant } from "./policy-variant.ts";
import { minibatchStages } from "./webgpu-minibatch.ts";
import { createPpoPlan } from "./webgpu-plan.ts";

/** What the time of a minibatch depends on: runs that agree in it have the same fastest variant. */
export function policyWork({ environment, algorithm, cost }: EngineRequest): string {
  const { hidden, separateTowers, minibatchSize } = algorithm;
  const outputs = policyHead(environment).outputs + (cost ? 2 : 1);
  const network = [environment.observationSize, ...hidden, outputs].join("-");
  return `${separateTowers ? "two of " : ""}${network} on ${minibatchSize}`;
}

/**
 * The fastest variant for a run's own minibatches, as `probeVariants` finds it: one minibatch of the run's sizes, on
 * buffers of its own, which are given back.
 */
export async function probePolicyVariant(
  gpu: GpuDevice,
  { environment, algorithm, cost = null, loss = null }: EngineRequest,
  now: () => number,
): Promise<PolicyVariant> {
  const rows = { envs: algorithm.minibatchSize, steps: 1, epochs: 1, groups: null } as const;
  const plans = policyVariants(gpu).map((kernels) => ({
    kernels,
    ppo: createPpoPlan(gpu, { ...algorithm, ...rows, environment, reward: null, cost, loss, kernels }),
  }));
  try {
    const contestants = await Promise.all(
      plans.map(async ({ kernels, ppo }) => {
        const { plan } = ppo;
        const dispatches = await Promise.all(minibatchStages(ppo).map((stage) => plan.stage(stage)));
        const encode = (pass: GPUComputePassEncoder): void => {
          for (const dispatch of dispatches) plan.encode(pass, dispatch, 0);
        };
        return { variant: kernels, encode };
      }),
    );
    return await probeVariants(gpu, contestants, now);
  } finally {
    for (const { ppo } of plans) ppo.plan.dispose();
  }
}
