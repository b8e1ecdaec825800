/**
 * Turns emitted ids into text as they come: holds back incomplete characters and what might become a stop
 * sequence, and finds where the completion ends.
 */
export class CompletionText {
  readonly #decode: (ids: Int32Array) => string;
  readonly #stopTokens: ReadonlySet<number>;
  readonly #stops: readonly string[];
  /** Ids whose characters are not complete yet. */
  #pending: number[] = [];
  #text = "";
  #released = 0;
  #tokens = 0;
  #ended = false;

  /** `stopTokens` end the completion and have no text; `stops` end it where their text first occurs. */
  constructor(
    decode: (ids: Int32Array) => string,
    stopTokens: ReadonlySet<number>,
    stops: readonly string[],
  ) {
    this.#decode = decode;
    this.#stopTokens = stopTokens;
    this.#stops = stops;
  }

  /** Text so far, without the stop sequence. */
  get text(): string {
    return this.#text;
  }

  /** Ids taken, the one that completed the stop sequence included. */
  get tokens(): number {
    return this.#tokens;
  }

  /** True once a stop token or stop sequence was met; later ids are ignored. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Takes one id; returns the text that can be shown now. */
  push(id: number): string {
    if (this.#ended) return "";
    this.#tokens++;
    if (this.#stopTokens.has(id)) {
      this.#ended = true;
      return this.finish();
    }
    this.#pending.push(id);
    const piece = this.#decode(Int32Array.from(this.#pending));
    if (piece.endsWith("\uFFFD") && this.#pending.length < 4) return "";
    this.#pending = [];
    // A match may begin in what came before, but not more than its own length before.
    const from = this.#text.length;
    this.#text += piece;
    for (const stop of this.#stops) {
      const at = this.#text.indexOf(stop, Math.max(0, from - stop.length + 1));
      if (at >= 0) {
        this.#text = this.#text.slice(0, at);
        this.#ended = true;
      }
    }
    return this.#release(this.#ended ? 0 : this.#possibleStop());
  }

  /** The text that was still held back. */
  finish(): string {
    if (this.#pending.length > 0) this.#text += this.#decode(Int32Array.from(this.#pending));
    this.#pending = [];
    return this.#release(0);
  }

  #release(held: number): string {
    const end = Math.max(this.#released, this.#text.length - held);
    const piece = this.#text.slice(this.#released, end);
    this.#released = end;
    return piece;
  }

  /** Length of the longest end of the text with which a stop sequence begins. */
  #possibleStop(): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, this.#text.length); length > longest; length--) {
        if (this.#text.endsWith(stop.slice(0, length))) longest = length;
      }
    }
    return longest;
  }
}
