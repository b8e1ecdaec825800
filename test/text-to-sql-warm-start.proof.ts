import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { createCpuLanguageEngine } from "../src/lm/cpu-language-engine.ts";
import { encodeTensors } from "../src/nn/safetensors.ts";
import { transformerLayout } from "../src/nn/transformer-layout.ts";
import { sft } from "../src/rl/sft.ts";
import { policyShape } from "../src/train/character-policy.ts";
import { policyTokenizer } from "../src/train/policy-tokenizer.ts";
import { SftTrainer } from "../src/train/sft-trainer.ts";
import { supervisedRows } from "../src/train/supervised-rows.ts";
import { textToSql } from "./support/text-to-sql.ts";

const file = new URL("../notebooks/text-to-sql.safetensors", import.meta.url);
const seed = 1;
const updates = 1300;

test("the weights that open the text-to-SQL notebook are made anew from its old logs, to the byte", async () => {
  const { network, policy, trainSchemas, drawTasks, demonstration } = await textToSql();
  const tokenizer = await policyTokenizer(policy);
  const logs = drawTasks(trainSchemas, 4_000_000, 20_000).map(({ schema, number }) => {
    const { prompt, answer } = demonstration(schema, number);
    return { prompt, completion: answer };
  });
  const { rows } = supervisedRows(logs, tokenizer, { maxLength: network.maxLength, learn: "completion" });
  const shape = policyShape(policy);
  const engine = await createCpuLanguageEngine(shape, { seed });
  const config = sft({ updates, batchSize: 64, learningRate: 2e-3, warmup: 50, weightDecay: 0.05 });
  const trainer = new SftTrainer({
    ...{ engine, config, train: rows, heldOut: [], seed },
    allowed: tokenizer.answerIds,
  });
  for (let update = 0; update < updates; update++) {
    const { loss } = await trainer.step(update);
    if (update % 100 === 99) console.log(`${update + 1} steps, loss ${loss.toFixed(4)}`);
  }
  const { parameters } = await engine.save();
  const tensors = transformerLayout(shape).tensors.map(({ name, shape: dims, offset, length }) => {
    return [name, { type: "BF16", shape: dims, data: parameters.slice(offset, offset + length) }] as const;
  });
  const metadata = { made: "npm run warm-start", updates: String(updates), seed: String(seed) };
  const made = encodeTensors({ tensors: new Map(tensors), metadata });
  if (existsSync(file)) expect(Buffer.compare(made, readFileSync(file))).toBe(0);
  else writeFileSync(file, made);
}, 1_800_000);
