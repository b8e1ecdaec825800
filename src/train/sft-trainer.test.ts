import { describe, expect, test } from "vitest";
import { expectClose } from "../../test/support/goldens.ts";
import { createCpuLanguageEngine } from "../lm/cpu-language-engine.ts";
import type { TokenRows } from "../lm/language-engine.ts";
import { characterTokenizer } from "../lm/tokenizer.ts";
import { dpo } from "../rl/dpo.ts";
import { sft } from "../rl/sft.ts";
import { characterPolicy, policyShape } from "./character-policy.ts";
import { DpoTrainer } from "./dpo-trainer.ts";
import { ExampleOrder } from "./example-order.ts";
import { SftTrainer, type SftTrainerOptions } from "./sft-trainer.ts";
import type { SupervisedExample } from "./examples.ts";
import { preferencePairs, supervisedRows } from "./supervised-rows.ts";
import { warmStartRows } from "./warm-start.ts";

const tokenizer = characterTokenizer("abcd");
const ids = (text: string): number[] =>
  Array.from(text, (c) => ({ "<": 1, ".": 2, "|": 3 })[c] ?? 4 + "abcd".indexOf(c));

describe("rows of examples", () => {
  const masked = (
    examples: readonly SupervisedExample[],
    learn: "completion" | "everything" = "completion",
  ) => supervisedRows(examples, tokenizer, { maxLength: 12, learn });

  test("a completion is learned with its end, its prompt is not", () => {
    const { rows } = masked([{ prompt: "ab", completion: "c" }]);
    expect([...rows[0]!.prompt]).toEqual(ids("<ab|"));
    expect([...rows[0]!.response]).toEqual(ids("c."));
    expect([...rows[0]!.lossMask]).toEqual([1, 1]);
  });

  test("a conversation is one row: the assistant's turns are learned, unless weighed 0", () => {
    const messages = [
      { role: "user", content: "a" },
      { role: "assistant", content: "b", weight: 0 as const },
      { role: "user", content: "cc" },
      { role: "assistant", content: "d" },
    ];
    const { rows } = masked([{ messages }]);
    expect(rows.map(({ prompt, response }) => [...prompt, ...response])).toEqual([ids("<a|b.cc|d.")]);
    expect([...rows[0]!.lossMask]).toEqual([0, 0, 0, 0, 0, 1, 1]);
    const [everything] = masked([{ messages }], "everything").rows;
    expect([...everything!.prompt]).toEqual(ids("<"));
    expect([...everything!.lossMask]).toEqual(Array(9).fill(1));
  });

  test("what is too long or teaches nothing is left out and counted", () => {
    const { rows, tooLong, empty } = masked([
      { prompt: "abcdabcd", completion: "abcd" },
      { messages: [{ role: "user", content: "a" }] },
      { prompt: "", completion: "" },
    ]);
    expect([rows.length, tooLong, empty]).toEqual([1, 1, 1]);
    expect(() => masked([{ prompt: 1 } as unknown as SupervisedExample])).toThrow(/neither/);
  });
});

test("every epoch sees every example once, in another order, in batches that fit", () => {
  const lengths = Array.from({ length: 37 }, (_, i) => 3 + ((i * 7) % 11));
  const order = new ExampleOrder({ lengths, seed: 3, batchSize: 6, batchTokens: 40 });
  const epochs: number[][] = [[], [], []];
  for (let update = 0; order.epoch(update) < 3; update++) {
    const batch = order.batch(update);
    expect(batch.length).toBeLessThanOrEqual(6);
    expect(batch.reduce((sum, index) => sum + lengths[index]!, 0)).toBeLessThanOrEqual(40);
    epochs[order.epoch(update)]!.push(...batch);
  }
  const sorted = Array.from({ length: 37 }, (_, i) => i);
  // Full: what the next batch begins with would not have fitted.
  for (let update = 0; order.epoch(update + 1) === 0; update++) {
    const [batch, next] = [order.batch(update), order.batch(update + 1)[0]!];
    const tokens = batch.reduce((sum, index) => sum + lengths[index]!, lengths[next]!);
    expect(batch.length === 6 || tokens > 40).toBe(true);
  }
  for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual(sorted);
  expect(epochs[0]).not.toEqual(epochs[1]);
  const again = new ExampleOrder({ lengths, seed: 3, batchSize: 6, batchTokens: 40 });
  expect(again.batch(9)).toEqual(order.batch(9));
});

test("a pair is left out whole where one of its answers does not fit", () => {
  const pair = (chosen: string, rejected: string) => ({ prompt: "ab", chosen, rejected });
  const made = preferencePairs(
    [pair("c", "abcdabcdabcd"), pair("abcdabcdabcd", "c"), pair("c", "d")],
    tokenizer,
    {
      maxLength: 12,
    },
  );
  expect(made.pairs.map((rows) => rows.map(({ response }) => [...response]))).toEqual([
    [ids("c."), ids("d.")],
  ]);
  expect(made.tooLong).toBe(2);
});

/** An engine whose policy gives every id a log-probability of its own. */
const scoring = (of: (id: number) => number) => ({
  step: () => Promise.reject(new Error("not asked for")),
  score: ({ tokens }: TokenRows) =>
    Promise.resolve({ logProbabilities: Float32Array.from(tokens, of), entropies: new Float32Array(0) }),
});

test("an evaluation's interval is that of its examples: tokens of one are not independent", async () => {
  const common = { allowed: null, seed: 1 };
  const examples = [
    { prompt: "a", completion: "a" },
    { prompt: "a", completion: "bbb" },
  ];
  const { rows } = supervisedRows(examples, tokenizer, { maxLength: 12, learn: "completion" });
  // -1 for "a" and the end, -3 for "b".
  const engine = scoring((id) => (id === 5 ? -3 : -1));
  const imitated = await new SftTrainer({
    ...{ ...common, engine, config: sft(), train: rows, heldOut: rows },
  }).evaluate();
  // Sums 2 and 10 over 2 and 4 tokens: a ratio of 2, residuals of -2 and 2.
  expect([imitated.loss, imitated.tokens]).toEqual([2, 6]);
  expect(imitated.high - imitated.loss).toBeCloseTo((1.96 * Math.sqrt((8 * 2) / 1)) / 6, 10);

  const pairs = preferencePairs(
    [
      { prompt: "a", chosen: "a", rejected: "b" },
      { prompt: "a", chosen: "bb", rejected: "a" },
    ],
    tokenizer,
    { maxLength: 12 },
  ).pairs;
  const preferred = await new DpoTrainer({
    ...{ ...common, engine, config: dpo({ beta: 1 }), train: pairs, heldOut: pairs },
    reference: () => Promise.resolve(scoring(() => -1)),
  }).evaluate();
  // h is 2, then -4.
  const losses = [2, -4].map((h) => Math.log1p(Math.exp(-h)));
  const mean = (losses[0]! + losses[1]!) / 2;
  expect([preferred.loss, preferred.accuracy]).toEqual([expect.closeTo(mean, 6), 0.5]);
  const spread = losses.reduce((sum, it) => sum + (it - mean) ** 2, 0);
  expect(preferred.high - preferred.loss).toBeCloseTo((1.96 * Math.sqrt(spread * 2)) / 2, 6);
});

test("a warm start learns answers with their end, other demonstrations every step", () => {
  const demonstrations = [..."abcd"].map((letter) => ({ prompt: letter, answer: `${letter}${letter}` }));
  const warmStart = { demonstrations, steps: 2, batchSize: 16, learningRate: 1e-3 };
  const first = warmStartRows(warmStart, tokenizer, 1, 0);
  for (let row = 0; row < 16; row++) {
    const at = row * first.length;
    expect([...first.tokens.subarray(at, at + 3)]).toEqual([1, first.tokens[at + 1], 3]);
    expect([...first.tokens.subarray(at + 3, at + 6)]).toEqual([
      first.tokens[at + 1],
      first.tokens[at + 1],
      2,
    ]);
    expect([...first.weights.subarray(at, at + 6)].map((weight) => weight > 0)).toEqual([
      ...[false, false, false],
      ...[true, true, true],
    ]);
  }
  expect(warmStartRows(warmStart, tokenizer, 1, 1).tokens).not.toEqual(first.tokens);
});

describe("supervised fine-tuning", () => {
  /** Copying: which letter, and how often. */
  const examples = (from: number, to: number): SupervisedExample[] =>
    Array.from({ length: to - from }, (_, i) => {
      const text = Array.from({ length: 3 }, (__, k) => "abcd"[Math.floor((from + i) / 4 ** k) % 4]).join("");
      return { prompt: text, completion: text };
    });
  const shape = policyShape(characterPolicy({ alphabet: "abcd", width: 32, maxLength: 16 }));
  const rows = (list: readonly SupervisedExample[]) =>
    supervisedRows(list, tokenizer, { maxLength: 16, learn: "completion" }).rows;
  const trainer = async (options: Partial<SftTrainerOptions> = {}): Promise<SftTrainer> =>
    new SftTrainer({
      engine: await createCpuLanguageEngine(shape, { seed: 1 }),
      config: sft({ updates: 150, batchSize: 16, learningRate: 3e-3 }),
      train: rows(examples(0, 56)),
      heldOut: rows(examples(56, 64)),
      allowed: tokenizer.answerIds,
      seed: 1,
      ...options,
    });

  test("learns to copy words that it has never seen; the same seed gives the same bits", async () => {
    const first = await trainer();
    const before = await first.evaluate();
    expectClose(before.loss, Math.log(5), { absolute: 0.15, relative: 0 });
    expect([before.examples, before.tokens]).toEqual([8, 32]);
    const losses: number[] = [];
    for (let update = 0; update < 150; update++) losses.push((await first.step(update)).loss);
    const after = await first.evaluate();
    expect(after.loss).toBeLessThan(0.3);
    expect(after.high).toBeGreaterThanOrEqual(after.loss);
    const again = await trainer();
    for (let update = 0; update < 3; update++) expect((await again.step(update)).loss).toBe(losses[update]);
  }, 30_000);

  test("label smoothing changes what is learned, and not what held-out examples are measured by", async () => {
    const config = { updates: 150, batchSize: 16, learningRate: 3e-3 };
    const [plain, smoothed] = [
      await trainer(),
      await trainer({ config: sft({ ...config, labelSmoothing: 0.2 }) }),
    ];
    expect(await smoothed.evaluate()).toEqual(await plain.evaluate());
    for (let update = 0; update < 60; update++) {
      await plain.step(update);
      await smoothed.step(update);
    }
    const [a, b] = [await plain.step(60), await smoothed.step(60)];
    expect(b.loss).toBeGreaterThan(a.loss + 0.1);
    expect(b.entropy).toBeGreaterThan(a.entropy + 0.1);
    expect(() => sft({ labelSmoothing: 1 })).toThrow(/1 cannot be used/);
  });

  test("a packed batch gives the gradient of its examples one by one", async () => {
    const lists = rows([
      { prompt: "abcdab", completion: "d" },
      { prompt: "a", completion: "abcdabcd" },
      { prompt: "ab", completion: "c" },
    ]);
    const still = sft({ updates: 1, learningRate: 0, finalLearningRate: 0, maxGradientNorm: 1e9 });
    const gradient = async (train: SftTrainerOptions["train"]): Promise<Float32Array> => {
      const engine = await createCpuLanguageEngine(shape, { seed: 1 });
      await (await trainer({ engine, config: still, train })).step(0);
      return (await engine.save()).firstMoment.map((m) => m / (1 - still.loss.betas[0]));
    };
    const learned = lists.map(({ lossMask }) => lossMask.reduce((a, b) => a + b, 0));
    const total = learned.reduce((a, b) => a + b, 0);
    const single = await Promise.all(lists.map((row) => gradient([row])));
    const sum = single[0]!.map((_, i) => single.reduce((s, g, k) => s + (g[i]! * learned[k]!) / total, 0));
    expectClose(await gradient(lists), sum, { absolute: 1e-6, relative: 1e-4 });
  });
});
