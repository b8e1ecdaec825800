import { smoothingSlope, tokenTerm, type TokenObjective } from "../token-objective.ts";
import { categorical, entropyGradient, logProbabilityGradient } from "./categorical.ts";
import type { ReferenceTransformer } from "./transformer.ts";

/** Training rows as in `lm/language-engine`: entry [row, t] of the per-token arrays belongs to tokens[row, t]. */
export interface TokenBatch {
  readonly rows: number;
  readonly length: number;
  readonly tokens: ArrayLike<number>;
  readonly lengths: ArrayLike<number>;
  readonly weights: ArrayLike<number>;
  readonly advantages: ArrayLike<number>;
  readonly oldLogProbabilities: ArrayLike<number>;
  readonly importance: ArrayLike<number>;
  readonly referenceLogProbabilities?: ArrayLike<number>;
  readonly allowed: ArrayLike<number> | null;
}

export interface TokenLoss {
  /** sum of w (term - entropyCoefficient x entropy). */
  readonly loss: number;
  /** Weighted means over the tokens with weight > 0. */
  readonly entropy: number;
  readonly approximateKl: number;
  readonly clipFraction: number;
  readonly tokens: number;
  /** [rows x length]: of every token over the allowed ids at temperature 1; entry [row, 0] and padding are 0. */
  readonly logProbabilities: Float64Array;
  readonly entropies: Float64Array;
  /** d loss / d parameters, as long as the arena. */
  readonly gradient: Float64Array;
}

/** The token loss of a transformer over padded rows, and its gradient, in f64. */
export function tokenLoss(
  model: ReferenceTransformer,
  parameters: ArrayLike<number>,
  batch: TokenBatch,
  objective: TokenObjective,
): TokenLoss {
  const { vocabularySize } = model.dimensions;
  const mask = allowedMask(batch.allowed, vocabularySize);
  const gradient = new Float64Array(model.length);
  const logProbabilities = new Float64Array(batch.rows * batch.length);
  const entropies = new Float64Array(batch.rows * batch.length);
  let loss = 0;
  let total = 0;
  let entropy = 0;
  let approximateKl = 0;
  let clipFraction = 0;
  let tokens = 0;
  for (let row = 0; row < batch.rows; row++) {
    const used = batch.lengths[row]!;
    const at = row * batch.length;
    const ids = Array.from({ length: used }, (_, t) => batch.tokens[at + t]!);
    const tape = model.forward(parameters, ids);
    const logitsGradient = new Float64Array(tape.logits.length);
    for (let t = 1; t < used; t++) {
      const logits = tape.logits.subarray((t - 1) * vocabularySize, t * vocabularySize);
      const policy = categorical(logits, mask);
      const logProbability = policy.logProbabilities[ids[t]!]!;
      logProbabilities[at + t] = logProbability;
      entropies[at + t] = policy.entropy;
      const weight = batch.weights[at + t]!;
      if (!(weight > 0)) continue;
      const term = tokenTerm(
        objective,
        logProbability,
        batch.oldLogProbabilities[at + t]!,
        batch.advantages[at + t]!,
        batch.importance[at + t]!,
        Math.exp,
        batch.referenceLogProbabilities?.[at + t],
      );
      const bonus = objective.entropyCoefficient;
      const smoothed = smoothingSlope(objective, batch.advantages[at + t]!, batch.importance[at + t]!);
      const count = batch.allowed?.length ?? vocabularySize;
      const allowed = (k: number): boolean => !mask || mask[k] === 1;
      const mean = policy.logProbabilities.reduce((sum, v, k) => (allowed(k) ? sum + v / count : sum), 0);
      loss += weight * (term.loss + smoothed * (mean - logProbability) - bonus * policy.entropy);
      total += weight;
      entropy += weight * policy.entropy;
      approximateKl += weight * term.kl;
      clipFraction += term.clipped ? weight : 0;
      tokens++;
      const towardsToken = logProbabilityGradient(policy, ids[t]!, mask);
      const towardsEntropy = entropyGradient(policy, mask);
      for (let k = 0; k < vocabularySize; k++) {
        const evenly = allowed(k) ? 1 / count - Number(k === ids[t]) : 0;
        logitsGradient[(t - 1) * vocabularySize + k] =
          weight * (term.slope * towardsToken[k]! + smoothed * evenly - bonus * towardsEntropy[k]!);
      }
    }
    model.backward(parameters, tape, logitsGradient, gradient);
  }
  const mean = (sum: number): number => (total > 0 ? sum / total : NaN);
  return {
    loss,
    entropy: mean(entropy),
    approximateKl: mean(approximateKl),
    clipFraction: mean(clipFraction),
    tokens,
    logProbabilities,
    entropies,
    gradient,
  };
}

function allowedMask(allowed: ArrayLike<number> | null, vocabularySize: number): Uint8Array | undefined {
  if (allowed === null) return undefined;
  const mask = new Uint8Array(vocabularySize);
  for (let i = 0; i < allowed.length; i++) mask[allowed[i]!] = 1;
  return mask;
}
