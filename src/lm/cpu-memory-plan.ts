import { FulguriteError } from "../gpu/error.ts";
import { formatMegabytes, MemoryPlan } from "../gpu/memory-plan.ts";
import { packedLength } from "../kernels/wasm/transformer-module.ts";
import { projectionSize } from "../kernels/transformer-places.ts";
import { transformerLayout, type TransformerShape } from "../nn/transformer-layout.ts";
import { completionRows } from "./cpu-decoder.ts";
import { tabMemory } from "./cpu-memory.ts";
import { defaultActivationBytes } from "./cpu-training.ts";
import { attentionPitch } from "./cpu-transformer.ts";
import { bytesPerNode } from "./cpu-tree-pass.ts";
import { defaultHeadIds } from "./head-chunk.ts";

/** As of `CpuLanguageEngineOptions`. */
interface Options {
  readonly maxBatch?: number;
  readonly checkpointing?: boolean;
}

/**
 * The most that the CPU engine takes for a policy once it has trained and completed; nothing is made. Training and completions
 * take turns with one piece of memory. The cache of completions grows as they need it, here to the end of all. Throws
 * "cpu/memory" where the rest is more than a tab has, with what to reduce.
 */
export function planCpuLanguageMemory(shape: TransformerShape, options: Options = {}): MemoryPlan {
  const { maxBatch = 256, checkpointing = false } = options;
  const { width, layers, heads, keyValueHeads, headSize, feedForward, vocabularySize, maxLength } = shape;
  const plan = new MemoryPlan();
  const note = (label: string, floats: number): void => void plan.createBuffer(label, floats * 4);
  const { length, trainable } = transformerLayout(shape);
  const queryWidth = heads * headSize;
  const keyValueWidth = 2 * keyValueHeads * headSize;
  note("weights", length);
  note("gradients and moments", 3 * (length - trainable));
  const { rank = 0, projections = [] } = shape.adapter ?? {};
  const adapted = projections
    .map((name) => projectionSize(shape, name))
    .reduce((sum, it) => sum + packedLength(it.inputs, rank) + packedLength(rank, it.outputs), 0);
  const layer =
    packedLength(width, queryWidth + keyValueWidth) +
    packedLength(queryWidth, width) +
    packedLength(width, 2 * feedForward) +
    packedLength(feedForward, width);
  note("packed weights", layers * (layer + adapted) + Math.max(width, headSize));
  note("rotations", 1.5 * maxLength * headSize);
  const pitch = attentionPitch(maxLength);
  const model = { shape, queryWidth, keyValueWidth, pitch, checkpointing, headIds: defaultHeadIds };
  const node = bytesPerNode(model) / 4;
  const columns = Math.ceil(vocabularySize / 8) * 8;
  const head = 2 * columns * width;
  const nodes = Math.min(maxBatch * maxLength, Math.max(maxLength, defaultActivationBytes / 4 / node));
  const training = head + nodes * node + Math.min(columns, defaultHeadIds) * width;
  const rows = completionRows(maxBatch);
  const row = bytesPerNode({ ...model, shape: { ...shape, layers: 0 }, headIds: 0 }) / 4;
  const completing = head + rows * (row + 4 * width + columns + 8) + maxBatch * maxLength + 4 * columns;
  note("activations", Math.max(training, completing));
  const left = tabMemory - plan.bytes;
  if (left < 0) {
    const { bytes, mostly } = plan;
    const smaller = `a width below ${width}, fewer layers than ${layers}, or a vocabulary below ${vocabularySize}`;
    throw new FulguriteError(
      "cpu/memory",
      `This run needs ${formatMegabytes(bytes)} of memory, ${formatMegabytes(mostly.bytes)} of them for its ${mostly.label}; a tab has ${formatMegabytes(tabMemory)}.`,
      mostly.label === "activations"
        ? `Use ${checkpointing ? "" : "checkpointing: true, "}a maxLength below ${maxLength}, or a smaller policy: ${smaller}.`
        : `Use a smaller policy: ${smaller}.`,
    );
  }
  const cache = maxBatch * maxLength * layers * keyValueWidth * 4;
  // It lies behind the workspace of completions, where training has its activations.
  const spare = 4 * Math.max(0, training - completing);
  note("cache of completions", Math.min(left, Math.max(0, cache - spare)) / 4);
  return plan;
}
