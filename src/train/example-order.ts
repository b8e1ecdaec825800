import { permute } from "../kernels/permutation.ts";
import { random4, stream } from "../kernels/philox.ts";

export interface ExampleOrderOptions {
  /** Tokens of each example. */
  readonly lengths: readonly number[];
  /** Unsigned 32-bit. */
  readonly seed: number;
  readonly batchSize: number;
  /** Most tokens of a batch; a longer example is a batch of its own. Null: no limit. */
  readonly batchTokens: number | null;
}

/**
 * Which examples each update sees: every epoch shuffled anew, a function of (seed, epoch), cut into batches that are
 * full but for the epoch's last. Every example is seen once an epoch.
 */
export class ExampleOrder {
  readonly #options: ExampleOrderOptions;
  /** Update with which each epoch begins; grows. */
  readonly #starts: number[] = [0];
  #epoch = -1;
  #batches: readonly (readonly number[])[] = [];

  constructor(options: ExampleOrderOptions) {
    this.#options = options;
  }

  /** Examples of update 0, 1, ... */
  batch(update: number): readonly number[] {
    while (this.#starts.at(-1)! <= update) {
      this.#enter(this.#starts.length - 1);
      this.#starts.push(this.#starts.at(-1)! + this.#batches.length);
    }
    const epoch = this.#starts.findLastIndex((start) => start <= update);
    this.#enter(epoch);
    return this.#batches[update - this.#starts[epoch]!]!;
  }

  /** Epoch that an update belongs to. */
  epoch(update: number): number {
    this.batch(update);
    return this.#epoch;
  }

  #enter(epoch: number): void {
    if (this.#epoch === epoch) return;
    const { lengths, seed, batchSize, batchTokens } = this.#options;
    const words = new Uint32Array(4);
    random4(seed, stream.examples, epoch, 0, words);
    const batches: number[][] = [];
    let tokens = 0;
    for (let i = 0; i < lengths.length; i++) {
      const example = permute(i, lengths.length, words);
      const last = batches.at(-1);
      const fits =
        last !== undefined &&
        last.length < batchSize &&
        (batchTokens === null || tokens + lengths[example]! <= batchTokens);
      if (fits) last.push(example);
      else batches.push([example]);
      tokens = (fits ? tokens : 0) + lengths[example]!;
    }
    this.#batches = batches;
    this.#epoch = epoch;
  }
}
