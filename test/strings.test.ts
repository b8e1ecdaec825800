import { expect, test } from "vitest";
import { rolloutsTo, runNotebook } from "./support/run-notebook.ts";

// Three seeds, as shipped, in strings.proof.ts; one of them here.
test("the shipped notebook's model learns to copy held-out strings", async () => {
  const seed = 1;
  const { result, curve, store } = await runNotebook("strings", "training", {
    // Shorter than shipped, so at a constant learning rate.
    job: (job) => ({
      ...job,
      seed,
      algorithm: { ...job.algorithm, updates: 110, evaluateEvery: 22, finalLearningRate: 1e-3 },
    }),
  });
  expect(result.status).toBe("succeeded");
  // From nothing: greedy answers of random weights to strings that are never trained on.
  expect(curve.evaluations.mean[0]).toBeLessThanOrEqual(0.02);
  expect(result.metrics["evaluation.greedy.mean"]).toBeGreaterThanOrEqual(0.95);
  const reached = rolloutsTo(curve, 0.95);
  console.log(
    `copy, seed ${seed}: held-out 0.95 after at most ${String(reached)} rollouts, ${(result.activeTime / 1000).toFixed(1)} s`,
  );
  expect(await store.rollouts({ runId: result.runId, mode: "train" })).toHaveLength(110 * 256);
}, 180_000);
