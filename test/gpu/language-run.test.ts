import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openGpuDevice, type GpuDevice } from "../../src/gpu/device.ts";
import { createCpuLanguageEngine } from "../../src/lm/cpu-language-engine.ts";
import type { LanguageEngine } from "../../src/lm/language-engine.ts";
import { createWebGpuLanguageEngine } from "../../src/lm/webgpu-language-engine.ts";
import { createCpuEngine } from "../../src/rl/cpu-engine.ts";
import { dpo } from "../../src/rl/dpo.ts";
import { grpo } from "../../src/rl/grpo.ts";
import { sft } from "../../src/rl/sft.ts";
import { openStore } from "../../src/store/open.ts";
import type { AgenticState, SupervisedState } from "../../src/store/records.ts";
import { characterPolicy, policyConfig } from "../../src/train/character-policy.ts";
import type { LanguageEngineMaker } from "../../src/train/language-engine-maker.ts";
import type { LanguageJob } from "../../src/train/job.ts";
import { nodeHosts } from "../../src/train/node-hosts.ts";
import { supervisedJob } from "../../src/train/supervised-job.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { expectClose } from "../support/goldens.ts";
import { gpu } from "./support.ts";

const network = { alphabet: "0123", width: 16, layers: 1, heads: 2, maxLength: 12 } as const;
const policy = characterPolicy(network);
/** The reference is the same engine, its adapters switched off. */
const adapted = characterPolicy({ ...network, adapters: { rank: 4, projections: ["q", "v", "o", "down"] } });
const everything = characterPolicy({
  ...{ ...network, layers: 2, checkpointing: true },
  ...{ adapters: { rank: 8 }, softPrompt: { tokens: 2 } },
});
const words = Array.from({ length: 16 }, (_, i) => `${i % 4}${Math.floor(i / 4)}`);

const imitate = supervisedJob({
  examples: {
    train: words.slice(0, 12).map((prompt) => ({ prompt, completion: prompt })),
    heldOut: words.slice(12).map((prompt) => ({ prompt, completion: prompt })),
  },
  policy: everything,
  algorithm: sft({ updates: 8, batchSize: 6, evaluateEvery: 4, learningRate: 5e-3 }),
  ...{ seed: 7, engine: "webgpu" },
});
const prefer = supervisedJob({
  examples: {
    train: words.slice(0, 12).map((prompt) => ({ prompt, chosen: prompt, rejected: `${prompt}0` })),
    heldOut: words.slice(12).map((prompt) => ({ prompt, chosen: prompt, rejected: `${prompt}0` })),
  },
  policy: adapted,
  algorithm: dpo({ updates: 8, batchSize: 6, evaluateEvery: 4, learningRate: 5e-3 }),
  ...{ seed: 7, engine: "webgpu" },
});
const explore: LanguageJob = {
  kind: "agentic",
  agent: {
    code: `async function agent(task) {
      const body = JSON.stringify({ model: "policy", messages: [{ role: "user", content: task }] });
      const response = await fetch("/v1/chat/completions", { method: "POST", body });
      return (await response.json()).choices[0].message.content;
    }`,
    ...{ entry: "agent", values: {} },
  },
  reward: {
    code: `const right = (task, answer) => Number(answer[0] === task[0]);`,
    entry: "right",
    values: {},
  },
  tasks: { train: words.slice(0, 12), heldOut: words.slice(12) },
  policy: policyConfig(policy),
  algorithm: grpo({
    ...{ groups: 4, groupSize: 4, updates: 8, evaluateEvery: 4, evaluationTasks: 4, maxTokens: 4 },
    // The reference is made again on the new device.
    kl: { coefficient: 0.05, estimator: "k2" },
    adaptiveKl: { target: 1e-3, horizon: 32 },
  }),
  ...{ warmStart: null, timeout: 10_000, deterministic: true, seed: 7, name: "copy", engine: "webgpu" },
};

/** Runs the job to its end, on engines as `create` makes them. */
async function end(job: LanguageJob, create: LanguageEngineMaker) {
  const store = await openStore({ backend: "memory" });
  let time = 0;
  const trainer = new Trainer({
    store,
    createEngine: (request) => createCpuEngine(request),
    createLanguageEngine: create,
    ...nodeHosts,
    // Every few looks at the clock are time for a checkpoint.
    now: () => (time += 100),
    randomBytes: (bytes) => bytes.fill(1),
    locks: null,
  });
  const id = await trainer.start(job, { notebook: null, cell: null });
  const result = await trainer.result(id);
  const { language } = (await store.checkpoint(id))!.state as AgenticState | SupervisedState;
  return { result, language, spans: (await store.spans({ runId: id })).length };
}

describe.skipIf(!gpu)("a run of a language policy on the GPU", () => {
  let device: GpuDevice;
  beforeAll(async () => {
    device = (await openGpuDevice(navigator.gpu))!;
  });
  afterAll(() => device.dispose());

  const onGpu: LanguageEngineMaker = (shape, seed, _choice, { checkpointing = false }) =>
    createWebGpuLanguageEngine(shape, { seed, device, checkpointing });

  test.each([
    ["sft of adapters and a soft prompt, with checkpointing", imitate],
    ["dpo of adapters", prefer],
    ["grpo with a reference", explore],
  ])("%s: a device lost in the middle, and the same bits at the end", async (_, job) => {
    const whole = await end(job, onGpu);
    const doomed = (await openGpuDevice(navigator.gpu))!;
    let steps = 0;
    const broken = await end(job, async (shape, seed, choice, terms) => {
      if (steps > 0) return onGpu(shape, seed, choice, terms);
      const { checkpointing = false } = terms;
      const engine = await createWebGpuLanguageEngine(shape, { seed, device: doomed, checkpointing });
      const step = engine.step.bind(engine);
      return Object.assign(engine, {
        step: (...args: Parameters<LanguageEngine["step"]>) => {
          if (++steps === 6) doomed.device.destroy();
          return step(...args);
        },
      });
    });
    expect(broken.result).toMatchObject({ status: "succeeded", engine: "webgpu", update: 8 });
    expect(steps).toBe(6);
    expect(broken.language).toEqual(whole.language);
    expect(broken.spans).toBe(whole.spans);

    const cpu = await end(job, (shape, seed) => createCpuLanguageEngine(shape, { seed }));
    const agentic = ["update.loss", "update.referenceKl", "update.klCoefficient"];
    for (const name of job.kind === "agentic" ? agentic : ["update.loss", "evaluation.heldOut.mean"]) {
      expectClose(whole.result.metrics[name]!, cpu.result.metrics[name]!, { absolute: 0, relative: 1e-4 });
    }
  });
});
