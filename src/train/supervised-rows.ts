import { trainingRows, type TrainingRow } from "../adapter/training-rows.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { SftConfig } from "../rl/sft.ts";
import type { PreferenceExample, SupervisedExample, SupervisedMessage } from "./examples.ts";

type RowTokenizer = Pick<Tokenizer, "encode" | "renderChat" | "eos" | "softPrompt">;

/** The example as a conversation. Throws "train/invalid-example". */
export function messagesOf(example: SupervisedExample | PreferenceExample): readonly SupervisedMessage[] {
  const { prompt, completion, messages } = example as Partial<Record<string, unknown>>;
  if (typeof prompt === "string" && typeof completion === "string") {
    return [
      { role: "user", content: prompt },
      { role: "assistant", content: completion },
    ];
  }
  const known =
    Array.isArray(messages) &&
    messages.every((message: Partial<SupervisedMessage> | null) => {
      return typeof message?.role === "string" && typeof message.content === "string";
    });
  if (known) return messages as readonly SupervisedMessage[];
  throw new FulguriteError(
    "train/invalid-example",
    "An example is neither { prompt, completion } nor { messages: [{ role, content }] }.",
    "Write texts, and every message with its role and content.",
  );
}

export interface SupervisedRows {
  readonly rows: readonly TrainingRow[];
  /** Examples longer than `maxLength` tokens: left out, never cut, because a cut answer teaches not to end. */
  readonly tooLong: number;
  /** Examples without a token to learn. */
  readonly empty: number;
}

/**
 * Rows of examples: prompt, response and the loss mask over the response, 1 at every token of an assistant's turn that
 * is learned and at its end. A conversation is one row as long as the tokenizer's rendering extends itself, else one a
 * turn; both learn every turn once.
 */
export function supervisedRows(
  examples: readonly SupervisedExample[],
  tokenizer: RowTokenizer,
  { maxLength, learn }: { readonly maxLength: number } & Pick<SftConfig, "learn">,
): SupervisedRows {
  const rows: TrainingRow[] = [];
  let tooLong = 0;
  let empty = 0;
  examples.forEach((example, index) => {
    const made = rowsOf(example, index, tokenizer).map((row) =>
      learn === "everything" ? whole(row, tokenizer.softPrompt?.length ?? 0) : row,
    );
    const learned = made.filter(({ lossMask }) => lossMask.includes(1));
    if (learned.length === 0) empty++;
    else if (learned.some(({ prompt, response }) => prompt.length + response.length > maxLength)) tooLong++;
    else rows.push(...learned);
  });
  return { rows, tooLong, empty };
}

/** Rows of pairs of answers, two a pair. */
export interface PreferencePairs extends Omit<SupervisedRows, "rows"> {
  readonly pairs: readonly (readonly [chosen: TrainingRow, rejected: TrainingRow])[];
}

/** A row for each answer of each pair; a pair of which one answer does not fit is left out whole, and counted. */
export function preferencePairs(
  examples: readonly PreferenceExample[],
  tokenizer: RowTokenizer,
  { maxLength }: { readonly maxLength: number },
): PreferencePairs {
  const pairs: [TrainingRow, TrainingRow][] = [];
  let tooLong = 0;
  for (const { prompt, chosen, rejected } of examples) {
    const answers = [
      { prompt, completion: chosen },
      { prompt, completion: rejected },
    ];
    const { rows } = supervisedRows(answers, tokenizer, { maxLength, learn: "completion" });
    if (rows.length === 2) pairs.push([rows[0]!, rows[1]!]);
    else tooLong++;
  }
  return { pairs, tooLong, empty: 0 };
}

function rowsOf(example: SupervisedExample, index: number, tokenizer: RowTokenizer): readonly TrainingRow[] {
  const messages = messagesOf(example);
  const turns = messages.flatMap(({ role, content, weight = 1 }, turn) =>
    role === "assistant" ? [{ turn, content, weight }] : [],
  );
  const calls = turns.map(({ turn, content }) => ({
    prompt: tokenizer.renderChat(messages.slice(0, turn)),
    response: Int32Array.of(...tokenizer.encode(content), tokenizer.eos),
    logProbabilities: null,
  }));
  const { rows } = trainingRows([{ rolloutId: String(index), groupId: String(index), reward: null, calls }], {
    level: "trajectory",
    promptLength: Infinity,
    responseLength: Infinity,
  });
  if (turns.every(({ weight }) => weight === 1)) return rows;
  // Turns follow each other through the rows: what is not learned is masked by its place among them.
  let turn = 0;
  return rows.map((row) => {
    const lossMask = row.lossMask.slice();
    for (let t = 0; t < lossMask.length; turn++) {
      while (t < lossMask.length && lossMask[t] === 0) t++;
      if (t === lossMask.length) break;
      const end = t + calls[turn]!.response.length;
      if (turns[turn]!.weight === 0) lossMask.fill(0, t, end);
      t = end;
    }
    return { ...row, lossMask };
  });
}

/** The same row with every token learned that another of its text precedes. */
function whole(row: TrainingRow, softPrompt: number): TrainingRow {
  const first = softPrompt + 1;
  const response = Int32Array.of(...row.prompt.subarray(first), ...row.response);
  return {
    ...row,
    prompt: row.prompt.slice(0, first),
    response,
    lossMask: new Uint8Array(response.length).fill(1),
  };
}
