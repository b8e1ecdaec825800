import type { Rollout } from "../store/records.ts";

/** What a page of rollouts is asked for with. */
export interface RolloutPageQuery {
  readonly runId: string;
  /** Only these; default all. */
  readonly mode?: Rollout["mode"] | undefined;
  readonly status?: Rollout["status"] | undefined;
  /** Only those whose number, task or result contains it, in any case. */
  readonly text?: string | undefined;
  readonly sortBy?: RolloutSort | undefined;
  /** Default false; what has no value comes last in both. */
  readonly descending?: boolean | undefined;
  /** Siblings stay together, in the order of their group's best by `sortBy`. Default false. */
  readonly siblings?: boolean | undefined;
  readonly offset: number;
  readonly limit: number;
}

export type RolloutSort = "number" | "reward" | "advantage" | "duration" | "tokens" | "update" | "attempts";

export interface RolloutPage {
  readonly items: readonly Rollout[];
  /** All that the query takes, and all of the run. */
  readonly total: number;
  readonly all: number;
}

const finished: ReadonlySet<string> = new Set(["succeeded", "failed", "timeout", "cancelled"]);
const modes: readonly Rollout["mode"][] = ["train", "evaluation", "test", null];
const searchable = 200;

const textOf = (value: unknown): string => {
  if (typeof value === "string") return value;
  try {
    return (JSON.stringify(value) as string | undefined) ?? "";
  } catch {
    return "";
  }
};

/**
 * The rollouts of one run as columns, so that a million are filtered and sorted without being read again: about 60 bytes
 * a rollout and each distinct text once. Rows are in the order of their numbers.
 */
export class RolloutIndex {
  readonly #columns: Readonly<Record<RolloutSort | "group", number[]>> = {
    number: [],
    reward: [],
    advantage: [],
    duration: [],
    tokens: [],
    update: [],
    attempts: [],
    group: [],
  };
  readonly #statuses: Rollout["status"][] = [];
  readonly #modes: Rollout["mode"][] = [];
  readonly #texts: string[] = [];
  readonly #known = new Map<string, string>();
  /** Numbers that are not finished, and so may change. */
  readonly #open = new Set<number>();
  #selection: { readonly key: string; readonly rows: Uint32Array } | null = null;

  get length(): number {
    return this.#columns.number.length;
  }

  /** Everything up to this number is known and final: ask the store for what comes after. */
  get settled(): number {
    let settled = this.#columns.number.at(-1) ?? -1;
    for (const number of this.#open) settled = Math.min(settled, number - 1);
    return settled;
  }

  /** Adds rollouts in the order of their numbers, replacing those that are known. */
  add(rollouts: readonly Rollout[]): void {
    if (rollouts.length > 0) this.#selection = null;
    for (const rollout of rollouts) this.#put(rollout);
  }

  #put(rollout: Rollout): void {
    const { number, reward, advantage, inputTokens, outputTokens, startTime, endTime } = rollout;
    const row = this.#rowOf(number);
    const columns = this.#columns;
    columns.number[row] = number;
    columns.reward[row] = reward ?? Number.NaN;
    columns.advantage[row] = advantage ?? Number.NaN;
    columns.duration[row] = (endTime ?? Number.NaN) - startTime;
    columns.tokens[row] = inputTokens + outputTokens;
    columns.update[row] = rollout.update;
    columns.attempts[row] = rollout.attempts;
    // Training and evaluation number their groups each for themselves.
    columns.group[row] = 4 * rollout.group + modes.indexOf(rollout.mode);
    this.#statuses[row] = rollout.status;
    this.#modes[row] = rollout.mode;
    const text = `${number} ${textOf(rollout.task)} ${textOf(rollout.result)}`
      .slice(0, searchable)
      .toLowerCase();
    const known = this.#known.get(text);
    if (known === undefined) this.#known.set(text, text);
    this.#texts[row] = known ?? text;
    if (finished.has(rollout.status)) this.#open.delete(number);
    else this.#open.add(number);
  }

  #rowOf(number: number): number {
    const { number: numbers } = this.#columns;
    if (numbers.length === 0 || number > numbers.at(-1)!) return numbers.length;
    let low = 0;
    let high = numbers.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (numbers[middle]! < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Numbers of the rollouts of one page, and how many there are in all. */
  page(query: RolloutPageQuery): { readonly numbers: readonly number[]; readonly total: number } {
    const { offset, limit, ...rest } = query;
    const key = JSON.stringify(rest);
    if (this.#selection?.key !== key) this.#selection = { key, rows: this.#select(query) };
    const { rows } = this.#selection;
    const { number: numbers } = this.#columns;
    return {
      numbers: Array.from(rows.subarray(offset, offset + limit), (row) => numbers[row]!),
      total: rows.length,
    };
  }

  #select({
    mode,
    status,
    text,
    sortBy = "number",
    descending = false,
    siblings = false,
  }: RolloutPageQuery): Uint32Array {
    const wanted = text?.toLowerCase() ?? "";
    const rows = new Uint32Array(this.length);
    let count = 0;
    for (let row = 0; row < rows.length; row++) {
      if (mode !== undefined && this.#modes[row] !== mode) continue;
      if (status !== undefined && this.#statuses[row] !== status) continue;
      if (wanted !== "" && !this.#texts[row]!.includes(wanted)) continue;
      rows[count++] = row;
    }
    const selected = rows.subarray(0, count);
    const values = this.#columns[sortBy];
    const keys = siblings ? this.#bestOfGroups(selected, values, descending) : values;
    if (!siblings && sortBy === "number") return descending ? selected.reverse() : selected;
    const sign = descending ? -1 : 1;
    const { group } = this.#columns;
    const compare = (a: number, b: number, of: ArrayLike<number>): number => {
      const [left, right] = [of[a]!, of[b]!];
      if (left === right) return 0;
      if (Number.isNaN(left)) return Number.isNaN(right) ? 0 : 1;
      return Number.isNaN(right) ? -1 : sign * (left - right);
    };
    return selected.sort(
      (a, b) =>
        compare(a, b, keys) || (siblings ? group[a]! - group[b]! || compare(a, b, values) : 0) || a - b,
    );
  }

  /** By row: the value that its group is sorted by. */
  #bestOfGroups(rows: Uint32Array, values: readonly number[], descending: boolean): Float64Array {
    const best = new Map<number, number>();
    const { group } = this.#columns;
    for (const row of rows) {
      const value = values[row]!;
      const known = best.get(group[row]!);
      const better =
        known === undefined || Number.isNaN(known) || (descending ? value > known : value < known);
      if (better) best.set(group[row]!, value);
    }
    const keys = new Float64Array(this.length);
    for (const row of rows) keys[row] = best.get(group[row]!)!;
    return keys;
  }
}
