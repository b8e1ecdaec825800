import { standardNormals } from "../../src/nn/initialize.ts";
import type {
  GenerateRequest,
  LanguageEngine,
  TokenLossConfig,
  TokenRows,
} from "../../src/lm/language-engine.ts";
import type { TransformerShape } from "../../src/nn/transformer-layout.ts";

/** A small decoder with a tied head and grouped queries; no size is a power of two. */
export const smallShape: TransformerShape = {
  vocabularySize: 13,
  width: 24,
  layers: 2,
  heads: 4,
  keyValueHeads: 2,
  headSize: 8,
  feedForward: 20,
  maxLength: 20,
  ropeBase: 1e4,
  normEpsilon: 1e-5,
  tiedHead: true,
};

/** Clip, dual clip, entropy bonus, weight decay and norm clip all take part. */
export const policyConfig: TokenLossConfig = {
  kind: "policy",
  clipLow: 0.2,
  clipHigh: 0.28,
  dualClip: 3,
  entropyCoefficient: 0.02,
  learningRate: 0.01,
  betas: [0.9, 0.99],
  adamEpsilon: 1e-8,
  weightDecay: 0.1,
  maxGradientNorm: 1,
};

/** Start weights are small; these make distributions that differ. */
export async function strengthen(engine: LanguageEngine, deviation = 0.3): Promise<void> {
  const state = await engine.save();
  const squares = state.parameters.reduce((sum, p) => sum + (p === 1 ? 0 : p * p), 0);
  const factor = deviation / Math.sqrt(squares / state.parameters.length);
  engine.load({ ...state, parameters: state.parameters.map((p) => (p === 1 ? 1 : p * factor)) });
}

/** Prompts of one to five tokens, some in common; two temperatures; a mask on every third. */
export function manyRequests(count: number, options: Partial<GenerateRequest> = {}): GenerateRequest[] {
  return Array.from({ length: count }, (_, i) => ({
    prompt: Int32Array.from({ length: 1 + (i % 5) }, (_, t) => (t === 0 ? 1 : ((i * 7) % 3) + t * 2)),
    maxTokens: 4 + (i % 9),
    temperature: i % 4 === 3 ? 0.7 : 1,
    stopTokens: [2],
    allowed: i % 3 === 0 ? Int32Array.of(2, 3, 4, 5, 6, 9) : null,
    seed: 1000 + i,
    ...options,
  }));
}

/** Rows of different lengths, some with a common prefix, one of a single token, one that ends where another goes on. */
export function manyRows(shape: TransformerShape, rows = 7, length = 12): TokenRows {
  const allowed = Int32Array.of(2, 3, 4, 5, 6, 7, 9);
  const tokens = new Int32Array(rows * length);
  const lengths = Int32Array.from({ length: rows }, (_, row) => [length, 9, length, 10, 1, 7, 5][row % 7]!);
  for (let row = 0; row < rows; row++) {
    const prompt = row % 7 < 3 ? 0 : row;
    const completion = row % 7 === 1 ? row - 1 : row;
    for (let t = 0; t < lengths[row]!; t++) {
      tokens[row * length + t] =
        t < 4 ? (prompt + t * 5) % shape.vocabularySize : allowed[(completion * t + t) % 7]!;
    }
  }
  const used = (i: number): boolean => i % length >= 4 && i % length < lengths[Math.floor(i / length)]!;
  const advantages = [0.7, -0.5, 1.1, -1.4, 0, 0.3, -0.8];
  return {
    rows,
    length,
    tokens,
    lengths,
    weights: Float32Array.from(tokens, (_, i) => (used(i) && i % 11 !== 0 ? 1 / (4 * rows) : 0)),
    advantages: Float32Array.from(tokens, (_, i) => advantages[Math.floor(i / length) % 7]!),
    oldLogProbabilities: Float32Array.from(tokens, (_, i) => -2 - (i % 3) * 0.4),
    importance: Float32Array.from(tokens, (_, i) => (i % 7 === 0 ? 0.5 : 1)),
    allowed,
  };
}

/** Biases and query-key norm besides. */
export const headsShape: TransformerShape = { ...smallShape, attentionBias: true, queryKeyNorm: true };

/** All that a decoder can have: an adapter on every projection and a soft prompt of three too. */
export const everythingShape: TransformerShape = {
  ...headsShape,
  adapter: {
    rank: 4,
    alpha: 6,
    projections: ["q", "k", "v", "o", "gate", "up", "down"],
    promptTokens: 3,
  },
};

/** Rows that begin with the soft prompt. */
export function promptedRows(shape: TransformerShape): TokenRows {
  const rows = manyRows(shape);
  const { vocabularySize } = shape;
  return {
    ...rows,
    tokens: rows.tokens.map((id, i) => {
      const t = i % rows.length;
      return t < 3 && rows.lengths[Math.floor(i / rows.length)]! > 4 ? vocabularySize + ((t * 2) % 3) : id;
    }),
  };
}

/** Weights of which none is zero, so that every gradient has something to go through. */
export function noisyParameters(length: number): Float32Array {
  const noise = standardNormals(77, 0, length);
  return Float32Array.from(noise, (x) => 0.3 * x);
}
