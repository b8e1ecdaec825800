import type { Rollout } from "../store/records.ts";

/** What a page of rollouts is asked for with. */
export interface RolloutPageQuery {
  readonly runId: string;
  /** Only these; default all. */
  readonly mode?: Rollout["mode"] | undefined;
  readonly status?: readonly Rollout["status"][] | undefined;
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
  /**
   * Rollouts whose long texts have not been looked through yet: ask again for more hits. Absent where the query looks for no
   * text, and when all were.
   */
  readonly unsearched?: number;
}

const finished: ReadonlySet<string> = new Set(["succeeded", "failed", "timeout", "cancelled"]);
const modes: readonly Rollout["mode"][] = ["train", "evaluation", "test", null];
/** UTF-16 units of each text that are kept whatever else is. */
const beginning = 200;
/** UTF-16 units of distinct texts that are kept whole, in all: 64 MB of Latin text. */
const mostText = 64 * 2 ** 20;
const empty: ReadonlySet<number> = new Set();

/** What a person may look for in a task or an answer. */
const textOf = (value: unknown): string => {
  if (typeof value === "string") return value;
  try {
    return (JSON.stringify(value) as string | undefined) ?? "";
  } catch {
    return "";
  }
};

/** Is the text, in lower case, part of the rollout's number, task or answer? */
export const contains = ({ number, task, result }: Rollout, text: string): boolean =>
  [String(number), textOf(task), textOf(result)].some((part) => part.toLowerCase().includes(text));

/**
 * The rollouts of one run as columns, so that a million are filtered and sorted without being read again: about 60 bytes
 * a rollout and each distinct task and answer once. Rows are in the order of their numbers. Beyond 64 MB of texts only
 * the beginnings of long ones are kept; `cut` says of which rollouts.
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
  readonly #tasks: string[] = [];
  readonly #answers: string[] = [];
  readonly #known = new Map<string, string>();
  #room: number;
  readonly #cut: number[] = [];
  /** Numbers that are not finished, and so may change. */
  readonly #open = new Set<number>();
  #selection: { readonly key: string; readonly rows: Uint32Array } | null = null;

  /** `room` in UTF-16 units, for texts that are kept whole. */
  constructor(room = mostText) {
    this.#room = room;
  }

  /** Numbers of rollouts of which only the beginnings of texts are kept, in the order in which they came. */
  get cut(): readonly number[] {
    return this.#cut;
  }

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
    // Training and evaluation number their groups each for themselves, every evaluation anew.
    columns.group[row] = 4 * (rollout.update * 2 ** 31 + rollout.group) + modes.indexOf(rollout.mode);
    this.#statuses[row] = rollout.status;
    this.#modes[row] = rollout.mode;
    const task = textOf(rollout.task).toLowerCase();
    const answer = textOf(rollout.result).toLowerCase();
    const [keptTask, keptAnswer] = [this.#keep(task), this.#keep(answer)];
    this.#tasks[row] = keptTask;
    this.#answers[row] = keptAnswer;
    if (keptTask.length < task.length || keptAnswer.length < answer.length) this.#cut.push(number);
    if (finished.has(rollout.status)) this.#open.delete(number);
    else this.#open.add(number);
  }

  /** The text itself, or as much of it as there is room for. Siblings share their task, and many their answer. */
  #keep(text: string): string {
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    if (text.length > beginning && text.length > this.#room) {
      // A slice would keep all of the text alive.
      const part = [...text.slice(0, beginning)].join("");
      return this.#known.get(part) ?? this.#remember(part);
    }
    if (text.length > beginning) this.#room -= text.length;
    return this.#remember(text);
  }

  #remember(text: string): string {
    this.#known.set(text, text);
    return text;
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

  /**
   * Numbers of the rollouts of one page, and how many there are in all. `found` are those in whose long texts somebody
   * else has found the text of the query.
   */
  page(
    query: RolloutPageQuery,
    found: ReadonlySet<number> = empty,
  ): { readonly numbers: readonly number[]; readonly total: number } {
    const { offset, limit, ...rest } = query;
    const key = `${found.size} ${JSON.stringify(rest)}`;
    if (this.#selection?.key !== key) this.#selection = { key, rows: this.#select(query, found) };
    const { rows } = this.#selection;
    const { number: numbers } = this.#columns;
    return {
      numbers: Array.from(rows.subarray(offset, offset + limit), (row) => numbers[row]!),
      total: rows.length,
    };
  }

  #select(
    { mode, status, text, sortBy = "number", descending = false, siblings = false }: RolloutPageQuery,
    found: ReadonlySet<number>,
  ): Uint32Array {
    const wanted = this.#textTest(text?.toLowerCase() ?? "", found);
    const rows = new Uint32Array(this.length);
    let count = 0;
    for (let row = 0; row < rows.length; row++) {
      if (mode !== undefined && this.#modes[row] !== mode) continue;
      if (status && !status.includes(this.#statuses[row]!)) continue;
      if (wanted && !wanted(row)) continue;
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

  /** Says of a row whether it holds the text. Siblings share their task, which is looked into once. */
  #textTest(text: string, found: ReadonlySet<number>): ((row: number) => boolean) | null {
    if (text === "") return null;
    let task: string | null = null;
    let inTask = false;
    const { number: numbers } = this.#columns;
    return (row) => {
      if (this.#tasks[row] !== task) {
        task = this.#tasks[row]!;
        inTask = task.includes(text);
      }
      return (
        inTask ||
        this.#answers[row]!.includes(text) ||
        String(numbers[row]!).includes(text) ||
        found.has(numbers[row]!)
      );
    };
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
