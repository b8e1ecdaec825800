import { adamwKernel, optimizerConstants, type OptimizerVariant } from "../../../src/kernels/adamw.ts";
import { METRICS_LENGTH, metricWord } from "../../../src/kernels/metrics.ts";
import { adamW, clipCoefficient, rmsProp } from "../../../src/kernels/reference/optimizer.ts";
import { reduceGradientKernel } from "../../../src/kernels/reduce-gradient.ts";
import { random, scalarSlot } from "../support.ts";
import { Expectation, type KernelTest, type MakeCase } from "./kernel-case.ts";

/** Ranges of a minibatch whose loss terms are added apart, five terms each. */
const RANGES = 16;
const TERMS = 5;

/** `size` vec4s, two of them a thread. */
const sizes = (size: number): { readonly length: number; readonly squares: number } => ({
  length: 4 * size,
  squares: Math.ceil(size / 2 / 4) * 4,
});

const adamw =
  (variant: Partial<OptimizerVariant> = {}, kl = 0): MakeCase =>
  (size) => {
    const { length, squares } = sizes(size);
    const given = { optimizer: "adamw", klStop: null, batch: 32, ...variant } as const;
    const step = 3;
    const scalars = {
      ...{ learningRate: 0.03, maxGradientNorm: 0.5, epsilon: 1e-5, weightDecay: 0.1 },
      ...{ beta1: 0.9, beta2: 0.99, beta1Complement: 1 - 0.9, beta2Complement: 1 - 0.99 },
      ...{ correction1: 1 - 0.9 ** step, correction2: 1 - 0.99 ** step, klLimit: 0.02, statisticsRow: 1 },
    };
    const gradients = random(length, 1);
    // Sums of squares of a gradient that is clipped; then the loss terms by range.
    const sums = random(squares + RANGES * TERMS, 2).map(Math.abs);
    for (let range = 0; range < RANGES; range++) {
      sums[squares + range * TERMS + metricWord.kl] = (kl * given.batch) / RANGES;
    }
    const parameters = random(length, 3);
    const moments = random(2 * length, 4).map((x, i) => (i < length ? x : Math.abs(x)));
    const metrics = random(METRICS_LENGTH, 5);
    metrics.fill(0, 16);
    const expected = new Expectation();
    const far = kl > scalars.klLimit;
    if (given.klStop !== null) expected.float("metrics", 16, far ? 1 : 0);
    if (!(far && given.klStop === "step")) {
      const norm = Math.sqrt(sums.subarray(0, squares).reduce((a, b) => a + b, 0));
      const clipped = gradients.map((g) => g * clipCoefficient(norm, scalars.maxGradientNorm));
      const after = Float64Array.from(parameters);
      const first = Float64Array.from(moments.subarray(0, length));
      const second = Float64Array.from(moments.subarray(length));
      const { learningRate, epsilon, beta1, beta2, weightDecay } = scalars;
      if (given.optimizer === "adamw") {
        adamW(after, clipped, first, second, step, { learningRate, beta1, beta2, epsilon, weightDecay });
      } else {
        for (let i = 0; i < length; i++) after[i]! *= 1 - learningRate * weightDecay;
        const insideRoot = given.optimizer === "rmsprop-tensorflow";
        rmsProp(after, clipped, second, { learningRate, alpha: beta2, epsilon, insideRoot });
      }
      after.forEach((p, i) => {
        expected.float("parameters", i, p);
        expected.float("moments", i, first[i]!);
        expected.float("moments", length + i, second[i]!);
      });
      for (let term = 0; term < TERMS; term++) {
        let sum = metrics[term]!;
        for (let range = 0; range < RANGES; range++) sum += sums[squares + range * TERMS + term]!;
        expected.float("metrics", term, sum);
      }
      expected.float("metrics", metricWord.gradientNorm, metrics[metricWord.gradientNorm]! + norm);
      if (given.klStop !== null) {
        expected.float("metrics", metricWord.optimizerSteps, metrics[metricWord.optimizerSteps]! + 1);
      }
    }
    return {
      kernel: adamwKernel,
      constants: { LENGTH: length, SQUARES: squares, VECTORS: 2, ...optimizerConstants(given) },
      ...{ invocations: Math.max(squares, METRICS_LENGTH), workgroup: 16 },
      slot: scalarSlot(scalars).bytes,
      buffers: { gradients, squares: sums, parameters, moments, metrics },
      expected,
    };
  };

const reduce: MakeCase = (size) => {
  const [smallPartials, splits, sampleBlocks] = [3, 4, size];
  const small = 4 * Math.max(1, size >> 1);
  const large = 4 * size - small + 4;
  const { length, squares } = sizes((small + large) / 4);
  const base = smallPartials * small + splits * large;
  const partials = random(base + 8 * sampleBlocks, 1);
  const expected = new Expectation();
  const gradient = Array.from({ length }, (_, at) => {
    let sum = 0;
    if (at < small) for (let p = 0; p < smallPartials; p++) sum += partials[p * small + at]!;
    else {
      for (let p = 0; p < splits; p++) sum += partials[smallPartials * small + p * large + at - small]!;
    }
    return sum;
  });
  gradient.forEach((g, at) => {
    expected.float("gradients", at, g);
  });
  for (let thread = 0; thread < squares; thread++) {
    let sum = 0;
    for (const vector of [thread, squares + thread]) {
      for (let e = 0; e < 4; e++) sum += (gradient[4 * vector + e] ?? 0) ** 2;
    }
    expected.float("squares", thread, sum);
  }
  for (let range = 0; range < RANGES; range++) {
    for (let term = 0; term < TERMS; term++) {
      let sum = 0;
      for (let block = range; block < sampleBlocks; block += RANGES)
        sum += partials[base + block * 8 + term]!;
      expected.float("squares", squares + range * TERMS + term, sum);
    }
  }
  return {
    kernel: reduceGradientKernel,
    constants: {
      ...{
        SMALL_PARTIALS: smallPartials,
        SPLITS: splits,
        STATISTICS_BASE: base,
        SAMPLE_BLOCKS: sampleBlocks,
      },
      ...{ SMALL_LENGTH: small, LARGE_LENGTH: large, SQUARES: squares, VECTORS: 2 },
    },
    ...{ invocations: squares + RANGES, workgroup: 16 },
    buffers: { partials, gradients: random(length, 2), squares: random(squares + RANGES * TERMS, 3) },
    expected,
  };
};

export const optimTests: readonly KernelTest[] = [
  {
    shader: "optim/adamw",
    variants: {
      adamw: adamw(),
      "KL stop, near": adamw({ klStop: "epoch" }, 0.001),
      "KL stop after the step": adamw({ klStop: "epoch" }, 0.1),
      "KL stop before the step": adamw({ klStop: "step" }, 0.1),
      rmsprop: adamw({ optimizer: "rmsprop" }),
      "rmsprop, epsilon inside": adamw({ optimizer: "rmsprop-tensorflow" }),
    },
    fault: ["second / scalars.correction2", "second / scalars.correction1"],
  },
  {
    shader: "optim/reduce_gradient",
    variants: { plain: reduce },
    fault: ["p < count", "p + 1u < count"],
  },
];
