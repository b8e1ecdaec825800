import { paddedOutputs } from "../../../src/kernels/linear.ts";
import {
  categorical,
  entropyGradient,
  logProbabilityGradient,
  type Categorical,
} from "../../../src/kernels/reference/categorical.ts";
import {
  estimatorNumbers,
  objectiveNumbers,
  tokenTerm,
  type KlEstimator,
  type TokenObjective,
} from "../../../src/kernels/token-objective.ts";
import { tokenLossKernel, tokenSoftmaxKernel } from "../../../src/kernels/token-rows.ts";
import { allowedMask } from "../../../src/lm/allowed-mask.ts";
import { random } from "../support.ts";
import { Expectation, type KernelTest, type MakeCase } from "./kernel-case.ts";
import { batchSlot, named, someIds, tinyShape } from "./transformer-cases.ts";

/** Logits of a row over `ids` of a vocabulary, and the distribution that they make over those before `end`. */
function drawRow(
  ids: Int32Array,
  end: number,
  seed: number,
): { readonly ids: Int32Array; readonly own: Float32Array; readonly policy: Categorical | null } {
  const own = random(ids.length, seed).map((x) => 3 * x);
  const known = ids.filter((id) => id < end);
  const policy = known.length === 0 ? null : categorical(Float64Array.from(known, (_, k) => own[k]!));
  return { ids: known, own, policy };
}

/** What loss/token_softmax.wgsl keeps of a distribution: largest logit, sum and weighted sum behind it, own logit. */
function sumsOf(own: ArrayLike<number>, count: number, logit: number): readonly number[] {
  let largest = -Infinity;
  for (let k = 0; k < count; k++) largest = Math.max(largest, own[k]!);
  let [total, weighted] = [0, 0];
  for (let k = 0; k < count; k++) {
    const shifted = own[k]! - largest;
    total += Math.exp(shifted);
    weighted += Math.exp(shifted) * shifted;
  }
  return [largest, total, weighted, logit];
}

interface Head {
  readonly vocabularySize: number;
  /** Ids at once, and the first of this dispatch. */
  readonly chunk: number;
  readonly first: number;
  readonly allowed: Int32Array | null;
}

const { vocabularySize } = tinyShape;
const whole: Head = { vocabularySize, chunk: vocabularySize, first: 0, allowed: null };
const idsOf = ({ allowed, vocabularySize: count }: Head): Int32Array =>
  allowed ?? Int32Array.from({ length: count }, (_, id) => id);

const chosen = (drawn: number, count: number): number => Math.floor(((drawn + 1) / 2) * count);

/** Writes the chunk's part of a row's logits; what is not allowed is larger than all that is. */
function fillChunk(logits: Float32Array, row: number, head: Head, own: Float32Array): void {
  const width = paddedOutputs(head.chunk);
  logits.fill(50, row * width, (row + 1) * width);
  idsOf(head).forEach((id, k) => {
    if (id >= head.first && id < head.first + head.chunk) logits[row * width + id - head.first] = own[k]!;
  });
}

const tokenSoftmax =
  (head: Head, score: boolean): MakeCase =>
  (size) => {
    const { chunk, first, allowed } = head;
    const ids = idsOf(head);
    const end = Math.min(first + chunk, head.vocabularySize);
    const predictions = new Uint32Array(8 * size);
    const logits = new Float32Array(size * paddedOutputs(chunk));
    const softmax = random(4 * size, 5);
    const expected = new Expectation();
    for (let row = 0; row < size; row++) {
      const { own, policy, ids: known } = drawRow(ids, end, 100 + row);
      fillChunk(logits, row, head, own);
      const choice = chosen(random(1, 900 + row)[0]!, known.length);
      predictions[8 * row + 1] = ids[choice]!;
      const before = ids.filter((id) => id < first).length;
      if (first > 0) softmax.set(sumsOf(own, before, choice < before ? own[choice]! : 0), 4 * row);
      sumsOf(own, known.length, own[choice]!).forEach((x, i) => {
        expected.float("softmax", 4 * row + i, x);
      });
      if (!score) continue;
      expected.float("scores", 2 * row, policy!.logProbabilities[choice]!);
      expected.float("scores", 2 * row + 1, policy!.entropy);
    }
    return {
      ...named(tokenSoftmaxKernel(head.vocabularySize, chunk, score), size),
      slot: batchSlot({ predictions: size, chunk: first }),
      buffers: {
        ...{ predictions, allowed: allowedMask(allowed, head.vocabularySize), logits, softmax },
        ...(score ? { scores: random(2 * size, 3) } : {}),
      },
      ...{ expected, tolerance: 3e-5 },
    };
  };

const tokenLoss =
  (kind: TokenObjective["kind"], head: Head, estimator?: KlEstimator): MakeCase =>
  (size) => {
    const { chunk, first, allowed } = head;
    const ids = idsOf(head);
    const width = paddedOutputs(chunk);
    const predictions = new Uint32Array(8 * size);
    const floats = new Float32Array(predictions.buffer);
    const drawn = random(6 * size, 1);
    const logits = new Float32Array(size * width);
    const softmax = new Float32Array(4 * size);
    const objective = {
      kind,
      kl: { coefficient: estimator ? 0.3 : 0, estimator: estimator ?? "k1" },
      ...{ clipLow: 0.2, clipHigh: 0.28, dualClip: 1.4, gate: { positive: 1.2, negative: 0.8 } },
      entropyCoefficient: kind === "likelihood" ? 0 : 0.05,
    } as const;
    const expected = new Expectation();
    const termsBefore = random(4 * size, 3);
    const isLast = first + chunk >= head.vocabularySize;
    for (let row = 0; row < size; row++) {
      const { own, policy: drawnPolicy } = drawRow(ids, head.vocabularySize, 100 + row);
      const policy = drawnPolicy!;
      fillChunk(logits, row, head, own);
      const choice = chosen(drawn[row]!, ids.length);
      softmax.set(sumsOf(own, ids.length, own[choice]!), 4 * row);
      const largest = softmax[4 * row]!;
      const logProbability = policy.logProbabilities[choice]!;
      predictions[8 * row + 1] = ids[choice]!;
      floats.set([1 + drawn[size + row]!, 2 * drawn[2 * size + row]!], 8 * row + 2);
      floats.set([logProbability + 0.5 * drawn[3 * size + row]!, 1.5 + drawn[4 * size + row]!], 8 * row + 4);
      floats[8 * row + 6] = logProbability - 0.4 * drawn[5 * size + row]!;
      const [weight = 0, advantage = 0, old = 0, importance = 0, reference = 0] = floats.subarray(
        8 * row + 2,
      );
      const term = tokenTerm(objective, logProbability, old, advantage, importance, Math.exp, reference);
      const bonus = objective.entropyCoefficient;
      const terms = [term.loss - bonus * policy.entropy, policy.entropy, term.kl, Number(term.clipped)];
      terms.forEach((x, i) => {
        // The last chunk, which comes first, writes the terms; the others add what label smoothing gives to their ids.
        const at = 4 * row + i;
        expected.float("terms", at, isLast ? weight * x : termsBefore[at]!);
      });
      const towardsToken = logProbabilityGradient(policy, choice);
      const towardsEntropy = entropyGradient(policy);
      for (let k = 0; k < width; k++) expected.float("logits", row * width + k, 0);
      let projection = 0;
      ids.forEach((id, k) => {
        if (id < first || id >= first + chunk) return;
        const d = weight * (term.slope * towardsToken[k]! - bonus * towardsEntropy[k]!);
        expected.float("logits", row * width + id - first, d);
        projection += d * (own[k]! - largest);
      });
      expected.float("projections", row, projection);
    }
    return {
      ...named(tokenLossKernel(head.vocabularySize, chunk), size),
      slot: batchSlot({
        ...{ predictions: size, chunk: first, objective: objectiveNumbers[objective.kind] },
        estimator: estimatorNumbers[objective.kl.estimator],
        ...{ clipLow: objective.clipLow, clipHigh: objective.clipHigh, dualClip: objective.dualClip },
        ...{ gatePositive: objective.gate.positive, gateNegative: objective.gate.negative },
        entropyCoefficient: objective.entropyCoefficient,
        klCoefficient: objective.kl.coefficient,
      }),
      buffers: {
        ...{ predictions, allowed: allowedMask(allowed, head.vocabularySize), softmax, logits },
        ...{ terms: termsBefore.slice(), projections: random(size, 4) },
      },
      ...{ expected, tolerance: 3e-5 },
    };
  };

const some: Head = { ...whole, allowed: someIds };
const inChunks = (head: Head, chunk: number, first: number): Head => ({ ...head, chunk, first });
const large: Head = { ...whole, vocabularySize: 4099 };

export const tokenLossTests: readonly KernelTest[] = [
  {
    shader: "loss/token_softmax",
    variants: {
      "last chunk, some ids": tokenSoftmax(inChunks(some, 24, 24), false),
      "first chunk of two": tokenSoftmax(inChunks(whole, 24, 0), false),
      "all at once": tokenSoftmax(whole, true),
      "last chunk, some ids, scored": tokenSoftmax(inChunks(some, 24, 24), true),
      "last chunk of 4,099 ids": tokenSoftmax(inChunks(large, 1368, 2736), true),
    },
    fault: ["so_far.y * moved", "so_far.y"],
  },
  {
    shader: "loss/token_loss",
    variants: {
      policy: tokenLoss("policy", whole),
      "policy, some ids": tokenLoss("policy", some),
      "policy, first chunk": tokenLoss("policy", inChunks(whole, 24, 0)),
      "policy, last chunk, some ids": tokenLoss("policy", inChunks(some, 24, 24)),
      "likelihood, k1": tokenLoss("likelihood", whole, "k1"),
      "CISPO, k2": tokenLoss("cispo", whole, "k2"),
      "SAPO, k3": tokenLoss("sapo", whole, "k3"),
      "policy, k3+": tokenLoss("policy", whole, "k3+"),
    },
    fault: ["bound > unclipped", "bound < unclipped"],
  },
];
