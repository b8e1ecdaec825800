import { FulguriteError } from "../gpu/error.ts";
import { projections, type Projection } from "../kernels/transformer-places.ts";
import { transformerLayout, type LowRankAdapter, type TransformerShape } from "../nn/transformer-layout.ts";
import type { PolicyAdapters, PolicyConfig } from "./job.ts";
import { without } from "./without.ts";

/**
 * Low-rank adapters (LoRA, Hu et al. 2021, arXiv 2106.09685): y = W x + alpha / rank · B A x. W is frozen; A [rank, inputs]
 * and B [outputs, rank] learn, at about ten times the learning rate that suits all weights ("LoRA Without Regret", Schulman
 * 2025). B begins at zero, so the policy begins as the frozen one, which is also the reference of `kl`, `rewardKl` and `dpo`: the same engine with its adapters switched off.
 */
export interface AdapterOptions {
  /** Rows of A, a multiple of 4; default 8. */
  readonly rank?: number;
  /** The change is scaled by alpha / rank; default 2 x rank. */
  readonly alpha?: number;
  /** Default all seven: attention's "q", "k", "v", "o" and SwiGLU's "gate", "up", "down". */
  readonly projections?: readonly Projection[];
  /** Bytes of adapters that were saved apart, to begin with; they belong to the weights of `start`. */
  readonly start?: Uint8Array;
}

/**
 * Prompt tuning (Lester et al. 2021, arXiv 2104.08691): `tokens` learned embeddings [tokens, width] in front of every
 * conversation, which begin as embeddings of tokens; the policy itself is frozen. Lester et al. take a learning rate of 0.3,
 * where all weights of the same model take 0.001: `sft({ learningRate: 0.1 })` rather than the default.
 */
export interface SoftPromptOptions {
  /** 1 to 256; default 8. They come on top of `maxLength` and `promptLength`. */
  readonly tokens?: number;
  /** Bytes of a soft prompt that was saved apart, to begin with; it belongs to the weights of `start`. */
  readonly start?: Uint8Array;
}

/** How little of a policy learns, and how little of a pass is kept. */
export interface LearningOptions {
  /** Freezes the weights, and learns low-rank changes to them. Default: all weights learn. */
  readonly adapters?: AdapterOptions;
  /** Freezes the weights, and learns embeddings in front of every conversation; may stand beside `adapters`. */
  readonly softPrompt?: SoftPromptOptions;
  /**
   * Gradient checkpointing (Chen et al. 2016, arXiv 1604.06174): a training pass keeps of a layer its input alone and
   * computes the rest again on its way back: the same bits, a fraction of the activations, at most a third more work (by count: a
   * forward pass once more, beside a backward pass of twice its work). Default false.
   */
  readonly checkpointing?: boolean;
}

type Learning = Pick<PolicyConfig, "adapters" | "softPrompt" | "checkpointing">;

/** The options with their defaults. */
export function learningOf({ adapters, softPrompt, checkpointing = false }: LearningOptions): Learning {
  const rank = adapters?.rank ?? 8;
  const adapted = adapters && {
    ...adapters,
    ...{ rank, alpha: adapters.alpha ?? 2 * rank, projections: adapters.projections ?? projections },
  };
  return {
    ...(adapted ? { adapters: adapted } : {}),
    ...(softPrompt ? { softPrompt: { ...softPrompt, tokens: softPrompt.tokens ?? 8 } } : {}),
    ...(checkpointing ? { checkpointing } : {}),
  };
}

/** The same policy with all of its weights learning, as it is without adapters and soft prompt. */
export const plainPolicy = (policy: PolicyConfig): PolicyConfig => without(policy, "adapters", "softPrompt");

/** The shape with what learns beside its weights; its soft prompt takes positions of its own. */
export function adaptedShape(
  shape: TransformerShape,
  { adapters, softPrompt }: PolicyConfig,
): TransformerShape {
  if (!adapters && !softPrompt) return shape;
  const promptTokens = softPrompt?.tokens ?? 0;
  const none: LowRankAdapter = { rank: 4, alpha: 4, projections: [] };
  const { rank, alpha, projections: names } = adapters ?? none;
  const adapter = { rank, alpha, projections: names, ...(promptTokens > 0 ? { promptTokens } : {}) };
  return { ...shape, maxLength: shape.maxLength + promptTokens, adapter };
}

/** Numbers of a shape that learn. */
export function learnedParameters(shape: TransformerShape): number {
  const { tensors, trainable } = transformerLayout(shape);
  return tensors.reduce((sum, { offset, length }) => sum + (offset < trainable ? 0 : length), 0);
}

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/** Throws "train/invalid" where a policy cannot learn so. */
export function checkLearning({ adapters, softPrompt, checkpointing, start }: PolicyConfig): void {
  if (adapters) checkAdapters(adapters);
  for (const it of [adapters, softPrompt]) checkFile(it?.start, start);
  const tokens = softPrompt?.tokens ?? 1;
  if (!Number.isInteger(tokens) || tokens < 1 || tokens > 256) {
    throw invalid(
      `The soft prompt has ${String(tokens)} tokens, not a whole number from 1 to 256.`,
      "Pass softPrompt: { tokens: 8 }.",
    );
  }
  if (typeof (checkpointing ?? false) !== "boolean") {
    throw invalid("`checkpointing` is neither true nor false.", "Leave it out for false.");
  }
}

function checkAdapters({ rank, alpha, projections: names }: PolicyAdapters): void {
  if (!Number.isInteger(rank) || rank < 4 || rank > 256 || rank % 4 !== 0) {
    throw invalid(
      `The adapters' rank is ${String(rank)}, not a multiple of 4 from 4 to 256.`,
      "Pass adapters: { rank: 8 }.",
    );
  }
  if (!Number.isFinite(alpha) || alpha <= 0) {
    throw invalid(
      `The adapters' alpha is ${String(alpha)}.`,
      "Pass a number above 0; 2 x rank is the default.",
    );
  }
  const known: readonly unknown[] = projections;
  const named = Array.isArray(names) ? (names as readonly unknown[]) : [];
  const wrong = named.find((name, i) => !known.includes(name) || named.indexOf(name) !== i);
  if (named.length === 0 || wrong !== undefined) {
    throw invalid(
      wrong === undefined
        ? "The adapters are on no projection."
        : `The adapters' projection ${JSON.stringify(wrong)} is not known, or there twice.`,
      `Name some of ${projections.map((name) => JSON.stringify(name)).join(", ")}.`,
    );
  }
}

function checkFile(file: unknown, start: PolicyConfig["start"]): void {
  if (file === undefined) return;
  if (!(file instanceof Uint8Array)) {
    throw invalid("The adapters' `start` is no file.", "Pass the bytes of adapters that were saved apart.");
  }
  if (start === undefined) {
    throw invalid(
      "Adapters are given without the weights that they change.",
      "Pass these as the policy's `start`.",
    );
  }
}
