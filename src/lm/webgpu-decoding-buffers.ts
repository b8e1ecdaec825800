import { DISPATCH_LIMIT_SECONDS, expectedRate } from "../gpu/dispatch-limit.ts";
import type { StaticPlan } from "../gpu/plan.ts";
import { ReadbackRing } from "../gpu/readback.ts";
import { hasHeads, rawWidth } from "../kernels/heads.ts";
import { paddedOutputs } from "../kernels/linear.ts";
import { lowWidth } from "../kernels/low-rank.ts";
import { maskWords } from "../kernels/sample-token.ts";
import type { WebGpuModel } from "./webgpu-model.ts";
import { productOperations } from "./webgpu-training-kernels.ts";

/** Tokens of prompts that go through the layers together, at most, unless there are more sequences. */
const PREFILL_ROWS = 512;

/** Most sequences at once: those of the run, as far as `cacheBytes` hold them and a dispatch stays short. */
export function decodingSlots(model: WebGpuModel): number {
  const { shape, sizes, sequences } = model;
  const bytes = shape.maxLength * shape.layers * cacheWidth(model) * 4;
  return Math.max(1, Math.min(sequences, Math.floor(sizes.cacheBytes / bytes), rowsOfDispatch(model)));
}

function rowsOfDispatch({ gpu, linears, head }: WebGpuModel): number {
  const operations = Math.max(...[...Object.values(linears), head].map(productOperations));
  return Math.floor((DISPATCH_LIMIT_SECONDS * expectedRate(gpu)) / operations);
}

/** Buffers of a decoder. */
export interface DecodingBuffers {
  /** Sequences at once, and rows of a prefill. */
  readonly slots: number;
  readonly rows: number;
  readonly batch: GPUBuffer;
  /** Of the sequences, then of a prefill. */
  readonly tokens: GPUBuffer;
  readonly runs: GPUBuffer;
  readonly requests: GPUBuffer;
  readonly allowed: GPUBuffer;
  readonly biases: GPUBuffer;
  readonly samples: GPUBuffer;
  readonly residual: GPUBuffer;
  readonly queries: GPUBuffer;
  readonly attended: GPUBuffer;
  readonly raw: GPUBuffer;
  readonly low: GPUBuffer | undefined;
  readonly activated: GPUBuffer;
  readonly logits: GPUBuffer;
  /** Keys and values of each layer. */
  readonly caches: readonly GPUBuffer[];
  readonly read: ReadbackRing;
}

/** Makes them on `plan`; the readback is the caller's to dispose of. */
export function createDecodingBuffers(model: WebGpuModel, plan: StaticPlan): DecodingBuffers {
  const { shape, sizes, adapters } = model;
  const { width, feedForward, heads, headSize, vocabularySize, layers, maxLength } = shape;
  const slots = decodingSlots(model);
  const rows = Math.max(slots, Math.min(PREFILL_ROWS, rowsOfDispatch(model)));
  const padded = Math.ceil(rows / 16) * 16;
  const lowest = Math.max(...Object.values(adapters).map((group) => (group ? lowWidth(group) : 0)));
  const queries = plan.storage("queries", padded * heads * headSize);
  const samples = 4 * slots * sizes.decodingSteps;
  return {
    slots,
    rows,
    batch: plan.slots(2 * layers + sizes.decodingSteps),
    tokens: plan.storage("sequences", 4 * (slots + padded)),
    runs: plan.storage("cache runs", 2 * slots * maxLength),
    requests: plan.storage("requests", 8 * slots),
    allowed: plan.storage("allowed", 2 * slots * maskWords(vocabularySize)),
    biases: plan.storage("biases", slots * vocabularySize),
    samples: plan.storage("samples", samples),
    residual: plan.storage("residual", padded * width),
    queries,
    attended: plan.storage("attended", padded * heads * headSize),
    raw: hasHeads(shape) ? plan.storage("raw", padded * rawWidth(shape)) : queries,
    low: lowest > 0 ? plan.storage("low-rank", padded * lowest) : undefined,
    activated: plan.storage("activated", padded * feedForward),
    logits: plan.storage("logits", Math.ceil(slots / 16) * 16 * paddedOutputs(vocabularySize)),
    caches: Array.from({ length: layers }, (_, l) =>
      plan.storage(`cache ${l}`, slots * maxLength * cacheWidth(model)),
    ),
    read: new ReadbackRing(plan.maker, "samples readback", samples, 1),
  };
}

/** Floats of a token's keys and values in one layer. */
function cacheWidth({ shape }: WebGpuModel): number {
  return 2 * shape.keyValueHeads * shape.headSize;
}
