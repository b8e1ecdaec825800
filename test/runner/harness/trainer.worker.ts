import { FulguriteError } from "../../../src/gpu/error.ts";
import { createGateway } from "../../../src/gateway/gateway.ts";
import type { GatewayTokenizer } from "../../../src/gateway/gateway-types.ts";
import { seedsOfRun } from "../../../src/gateway/seeds.ts";
import type { GenerateRequest, Generation } from "../../../src/lm/language-engine.ts";
import {
  createFrameAgentHost,
  createFrameRewardHost,
  FramePool,
  RolloutController,
  type FinishedAttempt,
  type RolloutLimits,
  type RolloutTask,
} from "../../../src/runner/index.ts";
import code from "./agents.js?raw";

/** One id a character code; the policy says the last message backwards, a few tokens a macrotask. */
const tokenizer: GatewayTokenizer = {
  bos: 0,
  eos: 1,
  answerIds: Int32Array.from({ length: 256 }, (_, id) => id),
  encode: (text) => Int32Array.from(text, (character) => character.charCodeAt(0)),
  decode: (ids) => String.fromCharCode(...Array.from(ids)),
  renderChat: (messages) => Int32Array.of(0, ...tokenizer.encode(messages.at(-1)!.content)),
};
const batches: number[] = [];
const engine = {
  optimizerStep: 0,
  shape: { vocabularySize: 256, maxLength: 64 } as never,
  generate: async (requests: readonly GenerateRequest[]): Promise<Generation[]> => {
    batches.push(requests.length);
    await new Promise((resolve) => setTimeout(resolve, 0));
    return requests.map(({ prompt, onToken }) => {
      const tokens = Int32Array.of(...prompt.subarray(1).toReversed(), 1);
      const zeros = new Float32Array(tokens.length);
      for (const id of tokens) onToken?.(id, 0);
      return {
        tokens,
        logProbabilities: zeros,
        samplerLogProbabilities: zeros,
        finishReason: "stop",
        policyVersion: 0,
      };
    });
  },
};
const clock = {
  now: () => Date.now(),
  setTimeout: (run: () => void, milliseconds: number) => setTimeout(run, milliseconds),
  clearTimeout: (timer: unknown) => {
    clearTimeout(timer as number);
  },
};

self.onmessage = async ({ data, ports }: MessageEvent<{ scenario: string }>) => {
  const frames = new FramePool({ supply: ports[0]!, clock, frames: 2, openTimeout: 3000 });
  const host = createFrameAgentHost({
    frames,
    clock,
    source: { code, entry: "agent", values: { suffix: "<" } },
    workers: data.scenario === "throughput" ? 32 : 8,
  });
  const gateway = createGateway({
    engine,
    tokenizer,
    now: clock.now,
    seedFor: seedsOfRun(1),
    record: () => undefined,
    defer: (flush) => setTimeout(flush, 0),
  });
  const make = async (
    kinds: readonly string[],
    limits: Partial<RolloutLimits>,
  ): Promise<{ attempts: FinishedAttempt[]; failures: object; milliseconds: number }> => {
    const controller = new RolloutController({
      hosts: [host],
      gateway,
      clock,
      mode: "train",
      limits,
      randomSeedFor: () => 5,
    });
    const tasks = kinds.map((kind, i): RolloutTask => ({
      rolloutId: `${kind}-${i}`,
      task: { kind, word: `w${i}` },
      sample: 0,
    }));
    const attempts: FinishedAttempt[] = [];
    const start = performance.now();
    for await (const attempt of controller.run(tasks)) attempts.push(attempt);
    return { attempts, failures: controller.failures, milliseconds: performance.now() - start };
  };
  const many = (kind: string, count: number): string[] => Array.from({ length: count }, () => kind);
  const short = ({ attempts, ...more }: Awaited<ReturnType<typeof make>>): object => ({
    ...more,
    attempts: attempts.map(({ calls, emissions, ...attempt }) => ({
      ...attempt,
      emissions: emissions.length < 10 ? emissions : emissions.length,
      calls:
        calls.length < 4 ? calls.map(({ status, responseText }) => [status, responseText]) : calls.length,
    })),
  });

  switch (data.scenario) {
    case "good": {
      await make(many("plain", 32), {});
      const kinds = [
        "plain",
        "chat",
        "stream",
        "realm",
        "denied",
        "flaky",
        "fresh",
        "fresh",
        "fresh",
        "coin",
        "coin",
      ];
      postMessage({ ...short(await make(kinds, { concurrency: 1 })), workers: frames.workers });
      break;
    }
    case "missing": {
      const failure = await make(many("plain", 100), {}).catch((error: unknown) => error);
      postMessage({ code: failure instanceof FulguriteError ? failure.code : "none" });
      break;
    }
    case "hostile": {
      const endless = ["loop", "hang", "promises"].flatMap((kind) => many(kind, 6));
      const bad = ["throws", "later", "flood", "bytes", "huge", "unclonable", "spam", "burst", "memory"];
      const kinds = [...endless, ...bad.flatMap((kind) => many(kind, 10))];
      // Good ones between the bad ones.
      const mixed = [...kinds, ...many("plain", 92)]
        .map((kind, i) => [kind, (i * 73) % 200] as const)
        .sort((a, b) => a[1] - b[1]);
      const limits = { timeout: 6000, maxAttempts: 1, maxCalls: 20, maxOutputBytes: 2_000_000 };
      const made = await make(
        mixed.map(([kind]) => kind),
        limits,
      );
      postMessage({ ...short(made), workers: frames.workers, framesLost: frames.framesLost });
      break;
    }
    case "bomb": {
      const kinds = [...many("plain", 20), "bomb", ...many("chat", 20)];
      const made = await make(kinds, { timeout: 20_000, maxAttempts: 1 });
      postMessage({ ...short(made), framesLost: frames.framesLost });
      break;
    }
    case "throughput": {
      const rounds = [];
      for (let i = 0; i < 4; i++) {
        batches.length = 0;
        const { milliseconds, failures } = await make(many("plain", 256), {});
        rounds.push({ milliseconds, failures, batches: batches.length });
      }
      postMessage({ rounds, workers: frames.workers });
      break;
    }
    case "reward": {
      const reward = (rewardCode: string, entry: string) =>
        createFrameRewardHost({
          frames,
          clock,
          source: { code: rewardCode, entry, values: { bonus: 0.5 } },
          itemTimeout: 500,
        });
      const item = (i: number, task: unknown) => ({
        ...{ rolloutId: `r${i}`, task, result: "abc", transcript: [] },
      });
      const parts = reward(
        `const share = (task, result) => [...result].map((c, i) => Number(c === task[i]));
         const r = defineReward({ share: { weight: 2, score: share }, exact: (task, result) => task === result });`,
        "r",
      );
      const single = reward(
        `const r = (task, result) => {
           if (task === "loop") for (;;);
           if (task === "nan") return NaN;
           if (task === "throw") throw new Error("no such task");
           if (task === "hang") return new Promise(() => {});
           if (task === "text") return "1";
           return bonus;
         };`,
        "r",
      );
      const broken = reward("const r = (;", "r");
      const tasks = ["a", "loop", "nan", "b", "throw", "hang", "text", "c"];
      const start = performance.now();
      const quick = await parts.score(Array.from({ length: 256 }, (_, i) => item(i, "abd")));
      const milliseconds = performance.now() - start;
      postMessage({
        parts: quick[255],
        count: quick.length,
        milliseconds,
        single: await single.score(tasks.map((task, i) => item(i, task))),
        broken: await broken.score([item(0, "a"), item(1, "b")]),
      });
      for (const each of [parts, single, broken]) each.dispose();
      break;
    }
  }
  host.dispose();
  postMessage({ disposed: true, workers: frames.workers });
};
