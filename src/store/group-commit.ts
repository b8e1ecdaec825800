import type { Commit } from "./records.ts";

interface Waiting {
  readonly commit: Commit;
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

/** Most spans that are joined into one transaction. */
const mostSpans = 8192;

const joinable: readonly string[] = ["run", "spans", "rollouts", "checkpoint"];

/** Two commits as one, the later row in place of the earlier; null where one cannot hold both. */
function join(first: Commit, second: Commit): Commit | null {
  if ([...Object.keys(first), ...Object.keys(second)].some((key) => !joinable.includes(key))) return null;
  if (first.run && second.run && first.run.id !== second.run.id) return null;
  if (first.checkpoint && second.checkpoint && first.checkpoint.runId !== second.checkpoint.runId)
    return null;
  const spans = [...(first.spans ?? []), ...(second.spans ?? [])];
  if (spans.length > mostSpans) return null;
  return { ...first, ...second, spans, rollouts: [...(first.rollouts ?? []), ...(second.rollouts ?? [])] };
}

/**
 * Group commit: while one transaction is on its way to the disk, what arrives waits, and goes into the next one
 * together. Each commit is acknowledged when it is durable, in the order of arrival, and fails only by its own fault.
 */
export class GroupCommit {
  readonly #write: (commit: Commit) => Promise<void>;
  #waiting: Waiting[] = [];
  #writing = false;

  /** `write` makes one commit durable. */
  constructor(write: (commit: Commit) => Promise<void>) {
    this.#write = write;
  }

  submit(commit: Commit): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ commit, resolve, reject });
      if (!this.#writing) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#writing = true;
    while (this.#waiting.length > 0) await this.#writeGroup(this.#takeGroup());
    this.#writing = false;
  }

  #takeGroup(): { readonly commit: Commit; readonly members: readonly Waiting[] } {
    let { commit } = this.#waiting[0]!;
    let count = 1;
    for (; count < this.#waiting.length; count++) {
      const joined = join(commit, this.#waiting[count]!.commit);
      if (!joined) break;
      commit = joined;
    }
    return { commit, members: this.#waiting.splice(0, count) };
  }

  async #writeGroup({
    commit,
    members,
  }: {
    readonly commit: Commit;
    readonly members: readonly Waiting[];
  }): Promise<void> {
    try {
      await this.#write(commit);
      for (const { resolve } of members) resolve();
    } catch (error) {
      if (members.length === 1) {
        members[0]!.reject(error);
        return;
      }
      // One may be at fault for all: each by itself.
      for (const { commit, resolve, reject } of members) await this.#write(commit).then(resolve, reject);
    }
  }
}
