import { expect, test } from "vitest";
import { checkAdapter } from "../../test/support/check-adapter.ts";
import { everythingShape } from "../../test/support/language-rows.ts";
import { expectClose } from "../../test/support/goldens.ts";
import {
  checkGoldenContinuation,
  expectGoldenGradient,
  families,
  likelihood,
  loadParameters,
  tinyModel,
} from "../../test/support/hf-tiny.ts";
import { transformerLayout } from "../nn/transformer-layout.ts";
import { createCpuLanguageEngine } from "./cpu-language-engine.ts";

test.each(families)(
  "%s on the CPU engine: log-probabilities, loss, gradients, greedy tokens",
  async (family) => {
    for (const adapted of [false, true]) {
      const tiny = tinyModel(family, adapted);
      const engine = await createCpuLanguageEngine(tiny.shape, { seed: 1 });
      await loadParameters(engine, tiny.parameters);
      const { logProbabilities } = await engine.score(tiny.rows);
      expectClose(logProbabilities, tiny.logProbabilities, { absolute: 1e-5, relative: 1e-4 });
      if (adapted) {
        const reference = await engine.score(tiny.rows, { adapter: false });
        const plain = tinyModel(family).logProbabilities;
        expectClose(reference.logProbabilities, plain, { absolute: 1e-5, relative: 1e-4 });
      } else {
        await checkGoldenContinuation(engine, tiny);
      }
      const { loss } = await engine.step(tiny.rows, likelihood);
      expectClose(loss, (adapted ? tiny.golden.lora : tiny.golden).loss, { absolute: 0, relative: 1e-5 });
      const { firstMoment, parameters } = await engine.save();
      const gradient = firstMoment.map((m) => m / (1 - likelihood.betas[0]));
      expectGoldenGradient(tiny, gradient, 1e-4, transformerLayout(tiny.shape).trainable);
      expect(parameters.every((p, i) => p === tiny.parameters[i])).toBe(true);
    }
  },
);

test("biases, norms, every adapter and a soft prompt together, and the reference without them", async () => {
  await checkAdapter(await createCpuLanguageEngine(everythingShape, { seed: 1 }));
});
