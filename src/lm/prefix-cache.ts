/**
 * Slots of a key-value cache, found by the tokens that lead to them: a slot's content is decided by its path, so
 * requests with a common prefix share it, at once or later, for as long as the weights stay. Slot 0 is the root; nothing
 * is stored there.
 */
export class PrefixCache {
  readonly #vocabularySize: number;
  readonly #children = new Map<number, number>();
  #parents: number[] = [0];
  #tokens: number[] = [0];
  #free: number[] = [];

  constructor(vocabularySize: number) {
    this.#vocabularySize = vocabularySize;
  }

  /** Slots ever given out, the root included. */
  get size(): number {
    return this.#parents.length;
  }

  /** Slots that could be given out without growing. */
  get free(): number {
    return this.#free.length;
  }

  find(parent: number, token: number): number | undefined {
    return this.#children.get(parent * this.#vocabularySize + token);
  }

  add(parent: number, token: number): number {
    const slot = this.#free.pop() ?? this.#parents.length;
    this.#parents[slot] = parent;
    this.#tokens[slot] = token;
    this.#children.set(parent * this.#vocabularySize + token, slot);
    return slot;
  }

  /** Gives up every slot that is not among `kept`, which must hold whole paths. */
  retain(kept: Iterable<number>): void {
    const used = new Set(kept);
    this.#children.clear();
    this.#free = [];
    for (let slot = this.#parents.length - 1; slot > 0; slot--) {
      if (used.has(slot)) {
        this.#children.set(this.#parents[slot]! * this.#vocabularySize + this.#tokens[slot]!, slot);
      } else this.#free.push(slot);
    }
  }

  clear(): void {
    this.#children.clear();
    this.#parents = [0];
    this.#tokens = [0];
    this.#free = [];
  }
}
