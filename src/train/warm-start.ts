import { random4, stream } from "../kernels/philox.ts";
import type { TokenRows } from "../lm/language-engine.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { WarmStart } from "./job.ts";
import { packTokenRows } from "./token-rows.ts";

/** Demonstrations of one supervised step, drawn with replacement; the loss is the answers' likelihood, token mean. */
export function warmStartRows(
  { demonstrations, batchSize }: WarmStart,
  tokenizer: Tokenizer,
  seed: number,
  step: number,
): TokenRows {
  const words = new Uint32Array(4);
  const rows = Array.from({ length: batchSize }, (_, i) => {
    random4(seed, stream.demonstration, step, i, words);
    const { prompt, answer } = demonstrations[words[0]! % demonstrations.length]!;
    const response = Int32Array.from([...tokenizer.encode(answer), tokenizer.eos]);
    return {
      row: {
        rolloutId: "",
        groupId: "",
        reward: null,
        prompt: tokenizer.renderChat([{ role: "user", content: prompt }]),
        response,
        lossMask: new Uint8Array(response.length).fill(1),
        logProbabilities: null,
        dropped: null,
        truncated: false,
      },
      advantages: new Float32Array(response.length).fill(1),
    };
  });
  return packTokenRows(rows, "token-mean", 1, tokenizer.answerIds);
}
