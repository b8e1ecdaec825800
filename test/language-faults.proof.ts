import { mkdirSync, writeFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { adamW, clipCoefficient } from "../src/kernels/reference/optimizer.ts";
import { tokenLoss } from "../src/kernels/reference/token-loss.ts";
import { ReferenceTransformer } from "../src/kernels/reference/transformer.ts";
import type * as updateModule from "../src/train/policy-update.ts";
import { PolicyUpdate } from "../src/train/policy-update.ts";
import type * as engineModule from "../src/lm/cpu-language-engine.ts";
import { createCpuLanguageEngine } from "../src/lm/cpu-language-engine.ts";
import { transformerLayout } from "../src/nn/transformer-layout.ts";
import { policyUpdateDifference } from "./support/check-policy-update.ts";
import { worstDifference } from "./support/goldens.ts";
import { manyRows, policyConfig, smallShape, strengthen } from "./support/language-rows.ts";
import { importMutated } from "./support/mutation.ts";

type Fault = readonly [fault: string, file: string, find: string, replace: string];

/** As in `faults.proof.ts`, of a language policy's step: the loss of a token, the way back through the decoder, AdamW. */
const faults: readonly Fault[] = [
  [
    "the lower clip has the wrong sign",
    "kernels/token-objective.ts",
    "1 - objective.clipLow",
    "1 + objective.clipLow",
  ],
  [
    "the upper clip is the lower one",
    "kernels/token-objective.ts",
    "1 + objective.clipHigh",
    "1 + objective.clipLow",
  ],
  [
    "the clip does not stop the gradient",
    "kernels/token-objective.ts",
    "clipped ? 0 : free * pass",
    "free * pass",
  ],
  ["the smaller of two losses counts", "kernels/token-objective.ts", "bound > free", "bound < free"],
  ["dual clip is left out", "kernels/token-objective.ts", "objective.dualClip !== null &&", "false &&"],
  [
    "dual clip bounds the other sign",
    "kernels/token-objective.ts",
    "advantage < 0 && loss",
    "advantage > 0 && loss",
  ],
  ["the KL estimate lacks the ratio", "kernels/token-objective.ts", "ratio - 1 - logRatio", "-logRatio"],
  ["the importance leaves the slope", "kernels/token-objective.ts", "slope: slope * importance", "slope"],
  [
    "entropy is punished",
    "lm/cpu-training.ts",
    "entropySlopes[row]! -= weight",
    "entropySlopes[row]! += weight",
  ],
  ["the loss lacks its entropy", "lm/cpu-training.ts", "(loss - bonus * entropy)", "loss"],
  [
    "rows do not weigh in the gradient",
    "lm/cpu-training.ts",
    "slopes[i] = weight * term.slope",
    "slopes[i] = term.slope",
  ],
  ["a token is read from its own state", "lm/cpu-training.ts", "rows.length + t - 1]", "rows.length + t]"],
  [
    "the norm is no root",
    "kernels/wasm/transformer-rows.ts",
    '.op("f32.sqrt")\n        .op("f32.div")',
    '.op("f32.div")',
  ],
  [
    "the norm's pull has the wrong sign",
    "kernels/wasm/transformer-rows.ts",
    '.op("f32x4.sub").get(factor)',
    '.op("f32x4.add").get(factor)',
  ],
  [
    "SiLU is not differentiated",
    "kernels/wasm/transformer-rows.ts",
    '.get(sigmoid).op("f32x4.sub").op("f32x4.mul").op("f32x4.add")',
    '.get(sigmoid).op("f32x4.sub").op("f32x4.mul").op("f32x4.sub")',
  ],
  [
    "the first moment is not corrected",
    "lm/cpu-optimizer.ts",
    "1 - power(beta1, step)",
    "1 + power(beta1, step)",
  ],
  [
    "the second moment is not corrected",
    "lm/cpu-optimizer.ts",
    "1 - power(beta2, step)",
    "1 + power(beta2, step)",
  ],
  [
    "the second moment averages the gradient",
    "lm/cpu-optimizer.ts",
    "(1 - beta2) * g * g",
    "(1 - beta2) * g",
  ],
  [
    "weights grow instead of decaying",
    "lm/cpu-optimizer.ts",
    "1 - learningRate * weightDecay",
    "1 + learningRate * weightDecay",
  ],
];

/** Of what an update makes of rollouts before the engine steps: `src/train/policy-update.ts`. */
const updateFaults: readonly (readonly [fault: string, find: string, replace: string])[] = [
  ["the KL in the reward is a bonus", "shaping[rollout(row)]! -= factor", "shaping[rollout(row)]! += factor"],
  ["the KL in the reward has no coefficient", "factor * rewardKl.coefficient *", "factor *"],
  ["the KL of a row is another rollout's", "shaping[rollout(row)]! -=", "shaping[0]! -="],
  ["the KL in the reward counts what was observed", "if (learned !== 0) sum +=", "sum +="],
  ["overlong answers are not punished", "(overlong ? overlongPenalty", "(false ? overlongPenalty"],
  ["overlong answers are rewarded", "...overlong, most", "...overlong, factor: -1, most"],
  ["what failed is cloned", "clones && !succeeds", "clones && succeeds"],
  ["clones weigh by their reward", "return clones ? 1 :", "return clones ? row.reward! :"],
  ["every group teaches", "(taught === null || taught", "(taught !== undefined || taught"],
  ["a rollout without a reward teaches", "reward !== null &&", ""],
  ["epochs have one order", "update * epochs + epoch, 0", "update * epochs, 0"],
  ["minibatches are not shuffled", "permute(r, prepared.length, words)", "r"],
  ["the old policy is the sampled one", 'oldPolicy === "scored"', 'oldPolicy === "sampled"'],
  ["columns begin with the prompt", "r * base.length + row.row.prompt.length", "r * base.length"],
  ["scores are read from the prompt on", "r * packed.length + prompt.length", "r * packed.length"],
  ["the reference is the old policy", "column(({ reference }) => reference)", "column(({ old }) => old)"],
  ["importance divides by the old policy itself", "row.samplerLogProbabilities)", "row.logProbabilities)"],
  ["the mean importance is a sum", "importance / tokens", "importance"],
  ["the mean importance counts padding", "if (!(weight > 0)) return;", ""],
  ["the share of the sample is a sum", "share / shares", "share"],
  ["the mean KL counts what was observed", "if (learned === 0) return;", ""],
  ["k3 has the ratio upside down", "Math.exp(-d)", "Math.exp(d)"],
  ["k3 lacks its correction", "Math.exp(-d) - 1 + d", "Math.exp(-d) - 1"],
  ["figures of steps are summed", "step[name], 0) / steps.length", "step[name], 0)"],
  ["the KL's weight stays", "coefficient: factor * inLoss.coefficient", "coefficient: inLoss.coefficient"],
  ["the KL's weight forgets", "adaptedKl(factor,", "adaptedKl(1,"],
  [
    "the KL's weight looks at one rollout",
    "rollouts.length);\n    }\n    return {",
    "1);\n    }\n    return {",
  ],
];

/** Where two steps differ from the reference's; null where they agree. */
async function disagreement(create: typeof createCpuLanguageEngine): Promise<string | null> {
  const engine = await create(smallShape, { seed: 5 });
  await strengthen(engine);
  const rows = manyRows(smallShape);
  const model = new ReferenceTransformer(smallShape, transformerLayout(smallShape));
  const { learningRate, betas, adamEpsilon: epsilon, weightDecay, maxGradientNorm } = policyConfig;
  const [beta1, beta2] = betas;
  const start = await engine.save();
  const parameters = Float64Array.from(start.parameters);
  const [first, second] = [new Float64Array(parameters.length), new Float64Array(parameters.length)];
  for (let step = 1; step <= 2; step++) {
    const expected = tokenLoss(model, parameters, rows, policyConfig);
    const norm = Math.hypot(...expected.gradient);
    const metrics = await engine.step(rows, policyConfig);
    for (const name of ["loss", "entropy", "approximateKl", "clipFraction"] as const) {
      const [actual, wanted] = [metrics[name], expected[name]];
      if (worstDifference([actual], [wanted], { absolute: 2e-5, relative: 1e-3 })) {
        return `${name}: ${actual}, not ${wanted}`;
      }
    }
    const clip = clipCoefficient(norm, maxGradientNorm);
    const gradient = Float64Array.from(expected.gradient, (g) => g * clip);
    adamW(parameters, gradient, first, second, step, { learningRate, beta1, beta2, epsilon, weightDecay });
  }
  const after = await engine.save();
  engine.dispose();
  // Where a gradient is next to nothing, AdamW's step is its rounding's.
  const sure = (value: number, i: number): number => (Math.abs(first[i]!) > 1e-5 ? value : 0);
  const worst = worstDifference(after.parameters.map(sure), parameters.map(sure), {
    ...{ absolute: 2e-4, relative: 1e-3 },
  });
  return worst && `parameter ${worst.index}: ${worst.actual}, not ${worst.expected}`;
}

const found: object[] = [];

describe("a seeded fault in a language policy's step is found", () => {
  test("there is none without one", async () => {
    expect(await disagreement(createCpuLanguageEngine)).toBeNull();
  });

  test.each(faults)("%s", async (fault, file, find, replace) => {
    const faulty = await importMutated<typeof engineModule>(
      import.meta.url,
      "../src/lm/cpu-language-engine.ts",
      { file: `../src/${file}`, find, replace },
    );
    const difference = await disagreement(faulty.createCpuLanguageEngine);
    found.push({ fault, file: `src/${file}`, found: difference });
    expect(difference).not.toBeNull();
  });
});

describe("a seeded fault in a language policy's update is found", () => {
  test("there is none without one", async () => {
    expect(await policyUpdateDifference(PolicyUpdate)).toBeNull();
  });

  test.each(updateFaults)("%s", async (fault, find, replace) => {
    const path = "../src/train/policy-update.ts";
    const faulty = await importMutated<typeof updateModule>(import.meta.url, path, { find, replace });
    const difference = await policyUpdateDifference(faulty.PolicyUpdate);
    found.push({ fault, file: "src/train/policy-update.ts", found: difference });
    expect(difference).not.toBeNull();
  });
});

afterAll(() => {
  const folder = new URL("../bench/results/", import.meta.url);
  mkdirSync(folder, { recursive: true });
  const result = { date: new Date().toISOString().slice(0, 10), faults: found };
  writeFileSync(new URL("language-faults.json", folder), `${JSON.stringify(result, null, 2)}\n`);
});
