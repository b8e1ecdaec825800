import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { trainingRows, type RolloutTrace, type TrainingRow } from "./training-rows.ts";

interface Golden {
  readonly level: "trajectory" | "transition";
  readonly P: number;
  readonly R: number;
  readonly rollouts: readonly {
    readonly rollout_id: string;
    readonly data_id: string;
    readonly step: number;
    readonly sample_idx: number;
    readonly final_reward: number | null;
    readonly triplets: readonly {
      readonly prompt: readonly number[];
      readonly response: readonly number[];
      readonly log_probs: readonly number[] | null;
    }[];
  }[];
  readonly out: Readonly<Record<string, readonly (readonly number[])[]>> & {
    readonly is_drop_mask: readonly number[];
  };
  readonly rollout_ids: readonly string[];
  readonly data_ids: readonly string[];
  readonly metrics: Readonly<Record<string, number>>;
}

const path = new URL("../../test/fixtures/v1.0-trainer-goldens.json", import.meta.url);
const goldens = (JSON.parse(readFileSync(path, "utf8")) as { training_rows: Golden[] }).training_rows;

const traces = (golden: Golden): RolloutTrace[] =>
  golden.rollouts
    .toSorted((a, b) => a.step - b.step || a.sample_idx - b.sample_idx)
    .map((rollout) => ({
      rolloutId: rollout.rollout_id,
      groupId: rollout.data_id,
      reward: rollout.final_reward,
      calls: rollout.triplets.map(({ prompt, response, log_probs }) => ({
        prompt,
        response,
        logProbabilities: log_probs,
      })),
    }));

const right = (values: ArrayLike<number>, length: number): number[] =>
  Array.from({ length }, (_, i) => values[i] ?? 0);
const left = (values: ArrayLike<number>, length: number): number[] =>
  right(Array.from(values).reverse(), length).reverse();

/** The original's padded tensors, from our rows. */
function padded(rows: readonly TrainingRow[], { level, P, R }: Golden): Record<string, unknown> {
  const masks = rows.map((row) => [
    ...left(new Uint8Array(row.prompt.length).fill(1), P),
    ...right(new Uint8Array(row.response.length).fill(1), R),
  ]);
  return {
    prompts: rows.map((row) => left(row.prompt, P)),
    responses: rows.map((row) => right(row.response, R)),
    input_ids: rows.map((row) => [...left(row.prompt, P), ...right(row.response, R)]),
    attention_mask: masks,
    position_ids: masks.map((mask) => {
      let sum = 0;
      return mask.map((it) => Math.max(0, (sum += it) - 1));
    }),
    is_drop_mask: rows.map((row) => (row.dropped ? 1 : 0)),
    ...(level === "trajectory" ? { response_mask: rows.map((row) => right(row.lossMask, R)) } : {}),
    ...(rows.every((row) => row.logProbabilities)
      ? { rollout_log_probs: rows.map((row) => right(row.logProbabilities!, R)) }
      : {}),
  };
}

test.each(goldens.map((golden, i) => [i, golden] as const))(
  "training rows as in the original, case %i",
  (_, golden) => {
    const { rows, counts } = trainingRows(traces(golden), {
      level: golden.level,
      promptLength: golden.P,
      responseLength: golden.R,
    });
    const { token_level_scores, ...tensors } = golden.out;
    expect(padded(rows, golden)).toEqual(tensors);
    expect(rows.map((row) => row.rolloutId)).toEqual(golden.rollout_ids);
    expect(rows.map((row) => row.groupId)).toEqual(golden.data_ids);
    rows.forEach((row, i) => {
      // The original rounds scores to bfloat16 and puts them on the last token; ours stay as they came.
      const scores = token_level_scores![i]!;
      const at = row.response.length - 1;
      expect(scores.every((score, t) => t === at || score === 0)).toBe(true);
      expect(Math.abs(scores[at]! - (row.reward ?? 0))).toBeLessThanOrEqual(Math.abs(row.reward ?? 0) / 128);
    });
    const { metrics } = golden;
    expect(counts).toMatchObject({
      rollouts: metrics["training/n_rollouts"],
      rolloutsWithCalls: metrics["training/n_rollouts_w_trace"],
      rolloutsWithReward: metrics["training/n_rollouts_w_reward"],
      calls: metrics["training/n_turns"],
      rows: metrics["training/n_sample"],
      truncatedRows: metrics["training/n_truncated_sample"],
      emptyRows: metrics["training/n_skipped_empty_rows"],
    });
    if (golden.level === "trajectory") {
      expect(counts.unmergedRollouts).toBe(metrics["training/n_unmerged_rollouts"]);
      expect(counts.mismatches).toBe(metrics["training/n_trace_merge_mismatch_rows"]);
    }
  },
);
