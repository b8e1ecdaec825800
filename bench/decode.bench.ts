import { openGpuDevice } from "../src/gpu/device.ts";
import { random4, stream } from "../src/kernels/philox.ts";
import { createCpuLanguageEngine } from "../src/lm/cpu-language-engine.ts";
import type { GenerateRequest, LanguageEngine } from "../src/lm/language-engine.ts";
import { createWebGpuLanguageEngine } from "../src/lm/webgpu-language-engine.ts";
import type { Bench, Measurement } from "./harness/bench.ts";
import { interleave } from "./harness/interleave.ts";
import { gptShape } from "./work/gpt.ts";

const PROMPT = 32;
const TOKENS = 16;
const BATCHES = [1, 16, 64] as const;

/** Milliseconds of `work` in which nothing waited for the device: what it costs to prepare, encode and read. */
async function hostTime(work: () => Promise<void>): Promise<number> {
  const [map, done] = [GPUBuffer.prototype, GPUQueue.prototype] as const;
  const { mapAsync } = map;
  const { onSubmittedWorkDone } = done;
  let waits = 0;
  let since = performance.now();
  let host = 0;
  const waiting = async (wait: () => Promise<undefined>): Promise<undefined> => {
    if (waits++ === 0) host += performance.now() - since;
    try {
      return await wait();
    } finally {
      if (--waits === 0) since = performance.now();
    }
  };
  map.mapAsync = function (this: GPUBuffer, ...range) {
    return waiting(() => mapAsync.apply(this, range));
  };
  done.onSubmittedWorkDone = function (this: GPUQueue) {
    return waiting(() => onSubmittedWorkDone.apply(this));
  };
  try {
    await work();
    return host + performance.now() - since;
  } finally {
    map.mapAsync = mapAsync;
    done.onSubmittedWorkDone = onSubmittedWorkDone;
  }
}

const bench: Bench = {
  where: "page",
  about: `sampling of ${TOKENS} tokens after prompts of ${PROMPT} by the model of gpt-step, in batches of ${BATCHES.join(", ")}`,
  async run({ progress }) {
    const gpu = await openGpuDevice(navigator.gpu);
    const engines: Record<string, LanguageEngine> = {
      cpu: await createCpuLanguageEngine(gptShape, { seed: 1 }),
    };
    if (gpu)
      engines["webgpu"] = await createWebGpuLanguageEngine(gptShape, { seed: 1, device: gpu, maxBatch: 64 });
    const words = new Uint32Array(4);
    const requests = (count: number): GenerateRequest[] =>
      Array.from({ length: count }, (_, row) => ({
        prompt: Int32Array.from({ length: PROMPT }, (__, t) => {
          random4(2, stream.check, row, t, words);
          return t === 0 ? row : words[0]! % gptShape.vocabularySize;
        }),
        ...{ maxTokens: TOKENS, temperature: 1, stopTokens: [], allowed: null, seed: row },
      }));
    const measurements: Measurement[] = [];
    for (const batch of BATCHES) {
      progress(`batch ${batch}`);
      const sampled: Record<string, string> = {};
      const run = (name: string) => async (): Promise<void> => {
        const generations = await engines[name]!.generate(requests(batch));
        sampled[name] = generations.map(({ tokens }) => tokens.join(" ")).join("\n");
      };
      const names = Object.keys(engines);
      const hosts: number[] = [];
      const timed = async (): Promise<void> => {
        hosts.push(await hostTime(run("webgpu")));
      };
      const contestants = names.map((name) => [name, name === "webgpu" ? timed : run(name)] as const);
      const times = await interleave(Object.fromEntries(contestants), {
        ...{ rounds: 3, budget: 0, warmUp: 0 },
      });
      const tokens = batch * TOKENS;
      if (sampled["cpu"]!.split(/\s/).length !== tokens) throw new Error("fewer tokens than asked for");
      if (gpu) {
        const before = { ...gpu.counters };
        await run("webgpu")();
        measurements.push({
          metric: "dispatches-per-token",
          unit: "count",
          value: (gpu.counters.dispatches - before.dispatches) / TOKENS,
          note: `batch ${batch}, prefill included, ${gpu.counters.submits - before.submits} submits in all`,
        });
        measurements.push({
          metric: "host-time-per-token",
          unit: "ms",
          value: hosts.sort((a, b) => a - b)[Math.floor(hosts.length / 2)]! / TOKENS,
          note: `batch ${batch}, prefill included: what is not waiting for the device, a token of all rows`,
        });
      }
      for (const name of names.reverse()) {
        measurements.push({
          metric: "tokens-per-second",
          unit: "tokens/s",
          value: (tokens / times[name]!.median) * 1000,
          ...(name === "cpu" ? { engine: "cpu" } : {}),
          note: `batch ${batch}`,
        });
      }
    }
    for (const engine of Object.values(engines)) engine.dispose();
    gpu?.dispose();
    return measurements;
  },
};

export default bench;
