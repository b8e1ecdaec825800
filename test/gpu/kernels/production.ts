import { cartPole } from "../../../src/env/cartpole.ts";
import { GpuDevice } from "../../../src/gpu/device.ts";
import { WebGpuDecoder } from "../../../src/lm/webgpu-decoder.ts";
import { WebGpuModel } from "../../../src/lm/webgpu-model.ts";
import { WebGpuTraining } from "../../../src/lm/webgpu-training.ts";
import type { TransformerShape } from "../../../src/nn/transformer-layout.ts";
import { linearVariants, type LinearVariant } from "../../../src/kernels/linear-probe.ts";
import { policyVariants } from "../../../src/rl/policy-variant.ts";
import { ppo } from "../../../src/rl/ppo.ts";
import { createWebGpuEngine } from "../../../src/rl/webgpu-engine.ts";
import { algorithmVariants } from "../../support/algorithm-variants.ts";
import { hosted } from "../../support/hosted.ts";
import { tinyLlamaShape } from "../../support/tiny-llama.ts";
import { smallShape } from "../../support/language-rows.ts";

/** A shader as an engine hands it to WebGPU: its name and its text, which begins with its constants. */
export interface MadeShader {
  readonly name: string;
  readonly code: string;
}

/** A kind of adapter, as far as engines look at it. */
interface AdapterKind {
  readonly info: Partial<GPUAdapterInfo>;
  readonly subgroups: boolean;
}

const adapterKinds: readonly AdapterKind[] = [
  { info: { description: "SwiftShader", subgroupMinSize: 4 }, subgroups: true },
  { info: { description: "SwiftShader" }, subgroups: false },
  { info: { description: "a GPU", subgroupMinSize: 32 }, subgroups: true },
];

/** A device that computes nothing and notes every shader that it is given. */
function recordingDevice({ info, subgroups }: AdapterKind, made: MadeShader[]): GpuDevice {
  const limits = { maxBufferSize: 2 ** 31, maxStorageBufferBindingSize: 2 ** 31 };
  const device = {
    lost: new Promise(() => undefined),
    features: new Set(subgroups ? ["subgroups"] : []),
    limits,
    queue: { writeBuffer: () => undefined, onSubmittedWorkDone: () => Promise.resolve() },
    addEventListener: () => undefined,
    pushErrorScope: () => undefined,
    popErrorScope: () => Promise.resolve(null),
    createBuffer: ({ size }: { size: number }) => ({ size, destroy: () => undefined }),
    createBindGroup: () => ({}),
    createBindGroupLayout: () => ({}),
    createPipelineLayout: () => ({}),
    createShaderModule: ({ label, code }: { label: string; code: string }) => {
      made.push({ name: label, code });
      return {};
    },
    createComputePipelineAsync: () => Promise.resolve({}),
  };
  return new GpuDevice(device as unknown as GPUDevice, info);
}

const shape: TransformerShape = { ...smallShape, maxLength: 16, layers: 1 };
const adapter = (...names: NonNullable<TransformerShape["adapter"]>["projections"]): TransformerShape => ({
  ...shape,
  adapter: { rank: 4, alpha: 8, projections: names },
});
const all = adapter("q", "k", "v", "o", "gate", "up", "down");

/** At the widths at which tiles change. */
const widths = (of: TransformerShape): readonly TransformerShape[] => [
  of,
  { ...of, width: 64, headSize: 16, feedForward: 176 },
  { ...of, width: 128, headSize: 32, feedForward: 344 },
];

/** What tells language policies apart for a kernel: it decides what is computed, and the adapter how that is cut. */
const decoders: readonly TransformerShape[] = [
  { ...shape, tiedHead: false },
  { ...shape, vocabularySize: 4099, attentionBias: true },
  { ...shape, queryKeyNorm: true },
  { ...shape, attentionBias: true, queryKeyNorm: true },
  adapter("q", "v"),
  { ...all, attentionBias: true, adapter: { ...all.adapter!, promptTokens: 3 } },
  ...widths(all),
];

/**
 * Every shader that the engines make: every switch of the algorithms and every part of a language policy, on every
 * kind of adapter, in every variant that the engines may be asked for. Nothing is computed.
 */
export async function productionShaders(): Promise<readonly MadeShader[]> {
  const made: MadeShader[] = [];
  const runs = [
    ...algorithmVariants.map(([, request]) => request),
    { environment: cartPole(), reward: null, seed: 1, algorithm: ppo({ totalSteps: 1e6 }) },
  ];
  for (const kind of adapterKinds) {
    const device = recordingDevice(kind, made);
    const [first] = runs;
    for (const request of [...runs, { ...first!, environment: hosted(first!.environment) }]) {
      await createWebGpuEngine(request, device);
    }
    for (const kernels of policyVariants(device)) await createWebGpuEngine(runs.at(-1)!, device, { kernels });
    const language = async (decoder: TransformerShape, kernels: LinearVariant): Promise<void> => {
      const model = new WebGpuModel(device, decoder, { kernels });
      await Promise.all([WebGpuTraining.create(model), WebGpuDecoder.create(model)]);
    };
    for (const decoder of kind === adapterKinds[0] ? decoders : []) await language(decoder, "registers");
    for (const decoder of [tinyLlamaShape, ...widths(shape)]) {
      for (const kernels of linearVariants) await language(decoder, kernels);
    }
  }
  return made;
}
