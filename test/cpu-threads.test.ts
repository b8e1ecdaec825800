import { expect, test, vi } from "vitest";
import { threadWords } from "../src/kernels/wasm/thread.ts";
import { Threads, type OpenThreads, type StartThread, type Thread } from "../src/kernels/wasm/threads.ts";
import { createCpuLanguageEngine } from "../src/lm/cpu-language-engine.ts";
import type { LanguageEngine } from "../src/lm/language-engine.ts";
import type { TransformerShape } from "../src/nn/transformer-layout.ts";
import { createCpuEngine } from "../src/rl/cpu-engine.ts";
import type { UpdateMetrics } from "../src/rl/engine.ts";
import { startNodeThread } from "../src/train/node-threads.ts";
import { algorithmVariants } from "./support/algorithm-variants.ts";
import {
  everythingShape,
  manyRequests,
  manyRows,
  policyConfig,
  smallShape,
  strengthen,
} from "./support/language-rows.ts";

/** Threads of Node whose shared words are looked at. */
function watchedThreads(): {
  start: StartThread;
  helped: () => number;
  ended: () => number;
  count: () => number;
} {
  let words: Int32Array | null = null;
  let ended = 0;
  let count = 0;
  const start: StartThread = (lost) => {
    const thread = startNodeThread(lost);
    count++;
    const watched: Thread = {
      post: (message) => {
        if (message.kind === "start") words = message.words;
        thread.post(message);
      },
      terminate: () => {
        ended++;
        thread.terminate();
      },
    };
    return watched;
  };
  return {
    start,
    helped: () => words?.[threadWords.helped] ?? 0,
    ended: () => ended,
    count: () => count,
  };
}

/** Everything is worth sharing, however small. */
const eager = { leastWork: 1 };

async function work(engine: LanguageEngine, shape: TransformerShape): Promise<unknown> {
  const rows = manyRows(shape, 140, 20);
  const metrics = await engine.step(rows, policyConfig);
  const scores = await engine.score(rows);
  const generations = await engine.generate(manyRequests(40));
  return { metrics, scores, generations, state: await engine.save() };
}

test.each([
  ["a small decoder", smallShape],
  ["one with all that a decoder can have", everythingShape],
])("steps, scores and samples of %s are the same bits with one, two and three threads", async (_, shape) => {
  const watched = watchedThreads();
  const engines = await Promise.all(
    [1, 2, 3].map((count) =>
      createCpuLanguageEngine(shape, {
        seed: 5,
        threads: count === 1 ? null : { ...eager, count, start: watched.start },
      }),
    ),
  );
  for (const engine of engines) await strengthen(engine);
  // The last engine's threads are those that are watched; they may take a while to start.
  for (let round = 0; round < 3 || watched.helped() < 500; round++) {
    const [alone, ...shared] = await Promise.all(engines.map((engine) => work(engine, shape)));
    for (const result of shared) expect(result).toEqual(alone);
  }
  expect(watched.count()).toBe(3);
  for (const engine of engines) engine.dispose();
  expect(watched.ended()).toBe(3);
});

const towers = [
  "truncation bootstraps",
  "a mask",
  "a normal distribution",
  "a loss of one's own",
  "a cost limit",
];

test.each(algorithmVariants.filter(([name]) => towers.includes(name)))(
  "updates of actor and critic apart are the same bits with one, two and three threads: %s",
  async (_, request) => {
    const watched = watchedThreads();
    const threads =
      (count: number): OpenThreads =>
      (memory) =>
        new Threads(memory, { ...eager, count, start: watched.start });
    const engines = await Promise.all(
      [null, threads(2), threads(3)].map((open) => createCpuEngine(request, open)),
    );
    const metrics = engines.map((engine) => {
      const seen: UpdateMetrics[] = [];
      engine.onMetrics = (update) => seen.push(update);
      return seen;
    });
    for (let round = 0; round < 2 || watched.helped() < 20; round++) {
      for (const engine of engines) await engine.submit();
      const [alone, ...others] = await Promise.all(engines.map((engine) => engine.save()));
      for (const state of others) expect(state).toEqual(alone);
      for (const seen of metrics) expect(seen).toEqual(metrics[0]);
    }
    for (const engine of engines) engine.dispose();
    expect([watched.count(), watched.ended()]).toEqual([3, 3]);
  },
);

test("small work starts no thread", async () => {
  const watched = watchedThreads();
  const engine = await createCpuLanguageEngine(smallShape, {
    seed: 5,
    threads: { count: 3, start: watched.start },
  });
  await engine.step(manyRows(smallShape, 8), policyConfig);
  await engine.generate(manyRequests(4));
  expect(watched.count()).toBe(0);
  await work(engine, smallShape);
  expect(watched.count()).toBe(2);
  engine.dispose();
});

test("goes on alone with threads that never start, and once they are lost", async () => {
  const alone = await createCpuLanguageEngine(smallShape, { seed: 5 });
  const lose: ((reason: string) => void)[] = [];
  const ended: number[] = [];
  const silent: StartThread = (lost) => {
    const number = lose.push(lost) - 1;
    return { post: () => undefined, terminate: () => void ended.push(number) };
  };
  const engine = await createCpuLanguageEngine(smallShape, {
    seed: 5,
    threads: { ...eager, count: 3, start: silent },
  });
  expect(await work(engine, smallShape)).toEqual(await work(alone, smallShape));
  expect(lose.length).toBe(2);
  // Said more than once of one thread, it takes no other one with it.
  for (let times = 0; times < 3; times++) lose[0]!("gone");
  expect(ended).toEqual([0]);
  expect(await work(engine, smallShape)).toEqual(await work(alone, smallShape));
  engine.dispose();
  for (const lost of lose) lost("gone");
  expect(ended).toEqual([0, 1]);
});

test("a thread that stops in the middle of its work is an error, and the engine goes on without", async () => {
  const start: StartThread = () => ({ post: () => undefined, terminate: () => undefined });
  const engine = await createCpuLanguageEngine(smallShape, {
    seed: 5,
    threads: { ...eager, count: 2, start, patience: 1 },
  });
  // A thread that takes a slice as soon as it is told of the task, and never does it.
  const notify = vi.spyOn(Atomics, "notify").mockImplementationOnce((words) => {
    if (words instanceof Int32Array) Atomics.add(words, threadWords.ticket, 1);
    return 1;
  });
  await expect(engine.step(manyRows(smallShape, 21), policyConfig)).rejects.toMatchObject({
    code: "cpu/thread",
  });
  notify.mockRestore();
  expect((await engine.generate(manyRequests(2))).length).toBe(2);
  engine.dispose();
});
