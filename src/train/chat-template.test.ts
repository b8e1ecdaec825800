import { beforeAll, expect, test } from "vitest";
import { cpuTrainer } from "../../test/support/cpu-trainer.ts";
import { tinyModel } from "../../test/support/hf-tiny.ts";
import { dpo } from "../rl/dpo.ts";
import { grpo } from "../rl/grpo.ts";
import { sft } from "../rl/sft.ts";
import { openStore } from "../store/open.ts";
import type { LightningStore } from "../store/records.ts";
import { agenticUpdateFromSpan } from "../trace/agentic-spans.ts";
import { modelPolicy, policyConfig, type CharacterPolicy } from "./character-policy.ts";
import type { Job } from "./job.ts";
import { policyFromFile, policyWeights } from "./policy-files.ts";
import { policyTokenizer } from "./policy-tokenizer.ts";
import { supervisedJob } from "./supervised-job.ts";
import type { Trainer } from "./trainer.ts";

const special = ["<|end|>", "<|im_start|>", "<|im_end|>"];
const letters = ["Ċ", "Ġ", ..."abcdefghijklmnopqrstuvwxyz0123456789"];
const level = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
/** A tokenizer of letters with ChatML's template, as Qwen's models have it; a system's message where there is none. */
const tokenizer = {
  tokenizer: {
    added_tokens: special.map((content, id) => ({ id, content, special: true })),
    ...{ normalizer: null, post_processor: null, pre_tokenizer: level, decoder: level },
    model: {
      type: "BPE",
      vocab: Object.fromEntries([...special, ...letters].map((token, id) => [token, id])),
      merges: [],
    },
  },
  config: { eos_token: "<|im_end|>", pad_token: "<|end|>", bos_token: null },
  chatTemplate: `{%- if messages[0].role != 'system' -%}{{ '<|im_start|>system\\nbe brief<|im_end|>\\n' }}{%- endif -%}
{%- for message in messages -%}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}`,
};
const idOf = new Map([...special, ...letters].map((token, id) => [token, id]));
/** The text as ids, letter by letter, without our tokenizer. */
const ids = (text: string): number[] =>
  (text.match(/<\|\w+\|>|./gs) ?? []).map((it) => idOf.get(it === "\n" ? "Ċ" : it === " " ? "Ġ" : it)!);
const asked = (word: string): string =>
  `<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\n${word}<|im_end|>\n<|im_start|>assistant\n`;

const { config, file } = tinyModel("llama");
const model = modelPolicy({ config, weights: file, tokenizer, maxLength: 160 });

let store: LightningStore;
let trainer: Trainer;
const end = async (job: Job): Promise<string> => {
  const id = await trainer.start(job, { notebook: null, cell: null });
  await trainer.result(id);
  return id;
};

const words = ["ab", "cd", "ef", "gh"];
/** A model that has learned to answer each word with its letters the other way round. */
let taught: CharacterPolicy;
beforeAll(async () => {
  store = await openStore({ backend: "memory" });
  trainer = cpuTrainer(store);
  const train = words.map((prompt) => ({ prompt, completion: prompt[1]! + prompt[0]! }));
  const examples = { train, heldOut: [{ prompt: "ij", completion: "ji" }] };
  const algorithm = sft({ updates: 80, batchSize: 4, learningRate: 0.01 });
  const id = await end(supervisedJob({ examples, policy: model, algorithm, engine: "cpu" }));
  taught = policyFromFile(await policyWeights(id, store));
});

test("what was learned under the template is what is said under it, from a file that brought it along", async () => {
  expect(taught).toMatchObject({ kind: "model-policy", model: { tokenizer } });
  const from = { kind: "policy", policy: policyConfig(taught) } as const;
  const answers = await trainer.complete({ from, prompts: words, temperature: 0, maxTokens: 6, seed: 1 });
  expect(answers).toEqual(["ba", "dc", "fe", "hg"].map((text) => ({ text, finished: true })));
  const { renderChat } = await policyTokenizer(taught);
  expect([...renderChat([{ role: "user", content: "ab" }])]).toEqual(ids(asked("ab")));
});

test("an agent's two calls are rendered by the template, and trained on token by token as one row", async () => {
  const agent = `async function agent(word) {
    const messages = [{ role: "user", content: word }];
    for (let turn = 0; turn < 2; turn++) {
      const body = JSON.stringify({ model: "policy", messages });
      const response = await fetch("/v1/chat/completions", { method: "POST", body });
      const { content } = (await response.json()).choices[0].message;
      messages.push({ role: "assistant", content }, { role: "user", content: "again" });
    }
    return messages[3].content;
  }`;
  const id = await end({
    ...{ kind: "agentic", name: "twice", engine: "cpu", seed: 5, warmStart: null, timeout: 10_000 },
    agent: { code: agent, entry: "agent", values: {} },
    reward: { code: `const few = (word, said) => 1 / (1 + said.length);`, entry: "few", values: {} },
    tasks: { train: words, heldOut: ["ij"] },
    policy: policyConfig(taught),
    algorithm: grpo({
      ...{ groups: 4, groupSize: 4, updates: 2, maxTokens: 6, evaluateEvery: 2, evaluationTasks: 1 },
      ...{ promptLength: 120, responseLength: 120, learningRate: 3e-3 },
    }),
    deterministic: true,
  });
  const calls = (await store.spans({ runId: id })).filter(({ tokens }) => tokens);
  const rollouts = await store.rollouts({ runId: id, mode: "train" });
  expect(rollouts).toHaveLength(32);
  const [im_end] = ids("<|im_end|>");
  let sampled = 0;
  for (const rollout of rollouts) {
    const [first, second] = calls
      .filter(({ rolloutId }) => rolloutId === rollout.id)
      .map(({ tokens }) => tokens!);
    expect([...first!.promptIds]).toEqual(ids(asked(rollout.task as string)));
    // A cut answer is closed by the template; the prompt of the next call goes on from what was sampled.
    const said = [...first!.responseIds].filter((token) => token !== im_end);
    const more = ids("<|im_end|>\n<|im_start|>user\nagain<|im_end|>\n<|im_start|>assistant\n");
    expect([...second!.promptIds]).toEqual([...first!.promptIds, ...said, ...more]);
    sampled += first!.responseIds.length + second!.responseIds.length;
  }
  const updates = (await store.spans({ runId: id })).flatMap((span) => agenticUpdateFromSpan(span) ?? []);
  // Both calls are in the rows, whole, and the training kernels find the probabilities that were sampled from.
  expect(updates.reduce((sum, { tokens }) => sum + tokens, 0)).toBe(sampled);
  expect(updates[0]).toMatchObject({ droppedRows: 0, truncatedRows: 0, failed: 0 });
  expect(Math.abs(updates[0]!.approximateKl)).toBeLessThan(1e-6);
});

test("a preference for one letter, over the template's conversations, is learned", async () => {
  const pairs = [...words, "ij"].map((prompt) => ({
    prompt,
    chosen: prompt[0]!,
    rejected: `${prompt[1]!}${prompt[0]!}`,
  }));
  const examples = { train: pairs.slice(0, 4), heldOut: pairs.slice(4) };
  const algorithm = dpo({ updates: 20, batchSize: 4, learningRate: 3e-3 });
  const id = await end(supervisedJob({ examples, policy: taught, algorithm, engine: "cpu" }));
  const prompts = words;
  const from = { kind: "run", runId: id } as const;
  const answers = await trainer.complete({ from, prompts, temperature: 0, maxTokens: 6, seed: 1 });
  expect(answers.map(({ text, finished }) => [text.length, finished])).toEqual(words.map(() => [1, true]));
});
