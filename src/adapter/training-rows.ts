/** One recorded model call of a rollout, as ids: never re-tokenised text. */
export interface CallTokens {
  readonly prompt: ArrayLike<number>;
  readonly response: ArrayLike<number>;
  /** log-probabilities of `response` at temperature 1; null where they were not recorded. */
  readonly logProbabilities: ArrayLike<number> | null;
  /** The same under the distribution that was sampled from, with its temperature and filters; default `logProbabilities`. */
  readonly samplerLogProbabilities?: ArrayLike<number>;
}

/** A finished rollout with its calls in order. */
export interface RolloutTrace {
  readonly rolloutId: string;
  /** Task it belongs to; siblings share it. */
  readonly groupId: string;
  /** Null where no reward arrived. */
  readonly reward: number | null;
  readonly calls: readonly CallTokens[];
}

export interface RowLimits {
  /** Most prompt tokens of a row. */
  readonly promptLength: number;
  /** Most response tokens of a row, observations between calls included. */
  readonly responseLength: number;
}

export interface TrainingRowOptions extends RowLimits {
  /**
   * "trajectory" merges consecutive calls while each prompt extends the tokens so far exactly; what lies between
   * two responses is context with loss mask 0. "transition" makes one row a call.
   */
  readonly level: "trajectory" | "transition";
}

/** One training example: a prompt and what followed it. */
export interface TrainingRow {
  readonly rolloutId: string;
  readonly groupId: string;
  readonly reward: number | null;
  /** At most `promptLength` ids, the first ones. */
  readonly prompt: Int32Array;
  /** At most `responseLength` ids. */
  readonly response: Int32Array;
  /** 1 where the policy emitted the token, 0 where it was observed. */
  readonly lossMask: Uint8Array;
  /** log-probabilities at temperature 1, 0 at observed tokens; null where a call lacked them. */
  readonly logProbabilities: Float32Array | null;
  /** The same under the distribution that was sampled from; null or absent where a call lacked them. */
  readonly samplerLogProbabilities?: Float32Array | null;
  /** Why the row must not be trained; null for a good one. */
  readonly dropped: "prompt-too-long" | null;
  readonly truncated: boolean;
  /** Tokens that the policy emitted in earlier rows of the rollout, cut ones too; absent: none. */
  readonly emittedBefore?: number;
}

/** What was kept and what was not, and why: shown beside every run. */
export interface RowCounts {
  readonly rollouts: number;
  readonly rolloutsWithCalls: number;
  readonly rolloutsWithReward: number;
  readonly calls: number;
  readonly rows: number;
  /** Rows whose response was cut at the limit. */
  readonly truncatedRows: number;
  /** Rows dropped because their prompt was over the limit. */
  readonly promptTooLong: number;
  /** Rows without a response token. */
  readonly emptyRows: number;
  /** Rollouts that became more than one row. */
  readonly unmergedRollouts: number;
  /** Calls whose prompt did not extend the tokens before it. */
  readonly mismatches: number;
}

interface OpenRow {
  readonly prompt: number[];
  readonly response: number[];
  readonly mask: number[];
  readonly logProbabilities: number[];
  readonly samplerLogProbabilities: number[];
  complete: boolean;
}

function open(call: CallTokens): OpenRow {
  const row: OpenRow = {
    prompt: Array.from(call.prompt),
    response: [],
    mask: [],
    logProbabilities: [],
    samplerLogProbabilities: [],
    complete: true,
  };
  append(row, call);
  return row;
}

function append(row: OpenRow, call: CallTokens): void {
  for (let i = 0; i < call.response.length; i++) {
    row.response.push(call.response[i]!);
    row.mask.push(1);
    row.logProbabilities.push(call.logProbabilities?.[i] ?? 0);
    row.samplerLogProbabilities.push((call.samplerLogProbabilities ?? call.logProbabilities)?.[i] ?? 0);
  }
  if (!call.logProbabilities || call.logProbabilities.length !== call.response.length) row.complete = false;
}

/** Appends a call whose prompt extends the row's tokens exactly; false where it does not. */
function merge(row: OpenRow, call: CallTokens): boolean {
  const { prompt, response } = row;
  const known = prompt.length + response.length;
  if (call.prompt.length < known) return false;
  for (let i = 0; i < known; i++) {
    const token = i < prompt.length ? prompt[i] : response[i - prompt.length];
    if (call.prompt[i] !== token) return false;
  }
  for (let i = known; i < call.prompt.length; i++) {
    response.push(call.prompt[i]!);
    row.mask.push(0);
    row.logProbabilities.push(0);
    row.samplerLogProbabilities.push(0);
  }
  append(row, call);
  return true;
}

/**
 * Turns finished rollouts into training rows (Agent Lightning v1.0, trajectory and transition levels): a prompt
 * over the limit keeps its row, cut and flagged; a response over the limit is cut; a row without a response is
 * skipped. Everything is counted.
 */
export function trainingRows(
  rollouts: readonly RolloutTrace[],
  options: TrainingRowOptions,
): { readonly rows: readonly TrainingRow[]; readonly counts: RowCounts } {
  const rows: TrainingRow[] = [];
  let emptyRows = 0;
  let unmergedRollouts = 0;
  let mismatches = 0;
  for (const rollout of rollouts) {
    const opened: OpenRow[] = [];
    for (const call of rollout.calls) {
      const last = opened.at(-1);
      if (options.level === "trajectory" && last) {
        if (merge(last, call)) continue;
        mismatches++;
      }
      opened.push(open(call));
    }
    if (opened.length > 1) unmergedRollouts++;
    let emitted = 0;
    for (const row of opened) {
      if (row.response.length === 0) emptyRows++;
      else rows.push({ ...close(row, rollout, options), ...(emitted > 0 && { emittedBefore: emitted }) });
      emitted += row.mask.reduce((sum, learned) => sum + learned, 0);
    }
  }
  const count = (test: (row: TrainingRow) => boolean): number => rows.filter(test).length;
  return {
    rows,
    counts: {
      rollouts: rollouts.length,
      rolloutsWithCalls: rollouts.filter((it) => it.calls.length > 0).length,
      rolloutsWithReward: rollouts.filter((it) => it.reward !== null).length,
      calls: rollouts.reduce((sum, it) => sum + it.calls.length, 0),
      rows: rows.length,
      truncatedRows: count((row) => row.truncated),
      promptTooLong: count((row) => row.dropped === "prompt-too-long"),
      emptyRows,
      unmergedRollouts: options.level === "trajectory" ? unmergedRollouts : 0,
      mismatches,
    },
  };
}

function close(row: OpenRow, rollout: RolloutTrace, limits: RowLimits): TrainingRow {
  const { promptLength, responseLength } = limits;
  return {
    rolloutId: rollout.rolloutId,
    groupId: rollout.groupId,
    reward: rollout.reward,
    prompt: Int32Array.from(row.prompt.slice(0, promptLength)),
    response: Int32Array.from(row.response.slice(0, responseLength)),
    lossMask: Uint8Array.from(row.mask.slice(0, responseLength)),
    logProbabilities: row.complete ? Float32Array.from(row.logProbabilities.slice(0, responseLength)) : null,
    samplerLogProbabilities: row.complete
      ? Float32Array.from(row.samplerLogProbabilities.slice(0, responseLength))
      : null,
    dropped: row.prompt.length > promptLength ? "prompt-too-long" : null,
    truncated: row.response.length > responseLength,
  };
}
