import { beforeEach, describe, expect, test } from "vitest";
import { cpuTrainer } from "../../test/support/cpu-trainer.ts";
import { cartPole } from "../env/cartpole.ts";
import { encodeTensors } from "../nn/safetensors.ts";
import { transformerLayout } from "../nn/transformer-layout.ts";
import { ppo } from "../rl/ppo.ts";
import { sft } from "../rl/sft.ts";
import { openStore } from "../store/open.ts";
import type { LightningStore, SupervisedState } from "../store/records.ts";
import { characterPolicy, policyShape, type CharacterPolicyOptions } from "./character-policy.ts";
import { equalRun } from "./equal-run.ts";
import type { Job } from "./job.ts";
import { simulatedJob } from "./simulated-job.ts";
import { supervisedJob } from "./supervised-job.ts";

const owner = { notebook: "test", cell: "run" };
const algorithm = ppo({ envs: 4, steps: 16, minibatchSize: 32, epochs: 1, totalSteps: 128 });
const pole = (seed: number, source = "(s, a, next) => 1"): Job => ({
  ...simulatedJob({ env: cartPole(), algorithm, seed, engine: "cpu" }),
  reward: { source, constants: {}, line: 1 },
});
const small = { alphabet: "abc", width: 16, layers: 1, heads: 2, maxLength: 16 } as const;
const swap = (options: Partial<CharacterPolicyOptions> = {}): Job =>
  supervisedJob({
    examples: {
      train: [{ prompt: "ab", completion: "ba" }],
      heldOut: [{ prompt: "ca", completion: "ac" }],
    },
    policy: characterPolicy({ ...small, ...options }),
    algorithm: sft({ updates: 2, batchSize: 1 }),
    engine: "cpu",
  });

let store: LightningStore;
beforeEach(async () => {
  store = await openStore({ backend: "memory" });
});

async function train(job: Job, cell = "run"): Promise<string> {
  const trainer = cpuTrainer(store);
  const id = await trainer.start(job, { ...owner, cell });
  await trainer.result(id);
  return id;
}
const found = async (job: Job): Promise<string | undefined> =>
  (await equalRun(structuredClone(job), owner, store))?.runId;

describe("a run of an equal job", () => {
  test("is the newest of the cell, and says what it came to", async () => {
    expect(await found(pole(1))).toBeUndefined();
    await train(pole(1));
    const newest = await train(pole(1));
    await train(pole(2));
    await train(pole(1), "another");
    expect(await equalRun(pole(1), owner, store)).toMatchObject({
      runId: newest,
      ...{ status: "succeeded", engine: "cpu", update: 2, step: 128 },
    });
    expect(await found(pole(3))).toBeUndefined();
    expect(await found(pole(1, "(s, a, next) => 2"))).toBeUndefined();
  });

  test("is none that was stopped, was loaded from a file, or steps a host's environment", async () => {
    const run = (await store.run(await train(pole(2))))!;
    const hosted = { ...pole(3), environment: '{"host":"Steps"}' } as Job;
    const others = [
      { job: pole(1), status: "cancelled" },
      { job: pole(1), reason: "Loaded from a file." },
      { job: hosted },
    ] as const;
    for (const [i, change] of others.entries())
      await store.commit({ run: { ...run, id: `run-${i}`, ...change } });
    expect(await found(pole(1))).toBeUndefined();
    expect(await found(hosted)).toBeUndefined();
    await store.commit({ run: { ...run, id: "run-4", job: pole(1) } });
    expect(await found(pole(1))).toBe("run-4");
  });
});

describe("a run of a language policy", () => {
  test("is told by its first weights, wherever these come from", async () => {
    const fresh = await train(swap());
    expect(await found(swap())).toBe(fresh);
    const start = { runId: fresh };
    expect(await found(swap({ start }))).toBeUndefined();
    const further = await train(swap({ start }));
    expect(await found(swap({ start }))).toBe(further);
    expect(await found(swap())).toBe(fresh);

    const { parameters } = ((await store.checkpoint(fresh))!.state as SupervisedState).language;
    const file = (change: number): Uint8Array<ArrayBuffer> =>
      encodeTensors({
        tensors: new Map(
          transformerLayout(policyShape(characterPolicy(small))).tensors.map(
            ({ name, shape, offset, length }) => {
              const data = parameters.slice(offset, offset + length);
              if (offset === 0) data[0]! += change;
              return [name, { type: "F32", shape, data }] as const;
            },
          ),
        ),
        metadata: {},
      });
    expect(await found(swap({ start: file(0) }))).toBe(further);
    expect(await found(swap({ start: file(0.5) }))).toBeUndefined();
    // What cannot be read is for the training to refuse.
    expect(await found(swap({ start: new Uint8Array(9) }))).toBeUndefined();
    expect(await found(swap({ start: { runId: "none" } }))).toBeUndefined();
  });
});
