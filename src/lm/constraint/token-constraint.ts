import { FulguriteError } from "../../gpu/error.ts";
import { maskWords } from "../../kernels/sample-token.ts";
import type { ConstraintState, TokenConstraint } from "../language-engine.ts";
import type { Tokenizer } from "../tokenizer.ts";
import type { Grammar, GrammarElement } from "./grammar.ts";

/** Bytes of every id, null for ids without a text. */
export type TokenBytes = readonly (Uint8Array | null)[];

/** Bytes of a tokenizer's ids, by what it decodes each to; ids that decode to nothing have none. */
export function tokenBytes(tokenizer: Pick<Tokenizer, "decode">, vocabularySize: number): TokenBytes {
  const encoder = new TextEncoder();
  return Array.from({ length: vocabularySize }, (_, id) => {
    const text = tokenizer.decode(Int32Array.of(id));
    return text === "" || text.includes("\uFFFD") ? null : encoder.encode(text);
  });
}

/** Where a text is in a grammar: every way to go on, as stacks of places; with what follows from it, found once. */
interface Place {
  readonly stacks: readonly number[];
  /** Whether the text may end here. */
  readonly ends: boolean;
  readonly next: Map<number, Place | null>;
  mask: Uint32Array | null;
}

interface TrieNode {
  readonly children: Map<number, TrieNode>;
  readonly ids: number[];
}

/**
 * A grammar over the ids of a tokenizer: text may only be what some sentence of the grammar begins with, and `endTokens`
 * come where it is one. Masks are found by walking the vocabulary, kept for every place once reached. Throws
 * "lm/constraint-impossible" where no id can begin a sentence.
 */
export function compileConstraint(
  grammar: Grammar,
  vocabulary: TokenBytes,
  endTokens: readonly number[],
): TokenConstraint {
  return new GrammarConstraint(grammar, vocabulary, endTokens);
}

class GrammarConstraint implements TokenConstraint {
  readonly #vocabulary: TokenBytes;
  readonly #endTokens: readonly number[];
  readonly #trie: TrieNode = { children: new Map(), ids: [] };
  /** All alternatives behind each other, null at the end of each; where those of a rule begin. */
  readonly #elements: (GrammarElement | null)[] = [];
  readonly #alternatives: number[][];
  /** Stacks: top place, and the stack below; stack 0 is empty. */
  readonly #tops: number[] = [-1];
  readonly #below: number[] = [0];
  readonly #stacks = new Map<string, number>();
  readonly #places = new Map<string, Place>();
  readonly #root: Place;

  constructor(grammar: Grammar, vocabulary: TokenBytes, endTokens: readonly number[]) {
    this.#vocabulary = vocabulary;
    this.#endTokens = endTokens;
    vocabulary.forEach((bytes, id) => {
      if (!bytes || bytes.length === 0 || endTokens.includes(id)) return;
      let node = this.#trie;
      for (const byte of bytes) {
        let child = node.children.get(byte);
        if (!child) node.children.set(byte, (child = { children: new Map(), ids: [] }));
        node = child;
      }
      node.ids.push(id);
    });
    this.#alternatives = grammar.map((alternatives) =>
      alternatives.map((elements) => this.#elements.push(...elements, null) - elements.length - 1),
    );
    const stacks = new Set<number>();
    for (const begin of this.#alternatives[0]!) this.#expand(begin, 0, stacks);
    this.#root = this.#place(stacks);
    if (this.#alive(this.#root)) return;
    throw new FulguriteError(
      "lm/constraint-impossible",
      "The policy has no token with which an answer of the asked-for form can begin.",
      "Add the characters of that form, such as { } \" and digits, to the policy's alphabet.",
    );
  }

  start(): ConstraintState {
    let place = this.#root;
    return {
      mask: () => this.#mask(place),
      take: (id) => {
        const bytes = this.#vocabulary[id];
        // An end token, or one that was not allowed: nothing follows.
        place = (bytes && !this.#endTokens.includes(id) ? this.#walk(place, bytes) : null) ?? this.#ended;
      },
    };
  }

  get #ended(): Place {
    return this.#place(new Set([0]));
  }

  #walk(from: Place, bytes: Uint8Array): Place | null {
    let place: Place | null = from;
    for (const byte of bytes) place = place && this.#next(place, byte);
    return place;
  }

  #mask(place: Place): Uint32Array {
    if (place.mask) return place.mask;
    const mask = new Uint32Array(maskWords(this.#vocabulary.length));
    const allow = (id: number): void => {
      mask[id >> 5]! |= 1 << (id & 31);
    };
    const visit = (node: TrieNode, at: Place): void => {
      if (node.ids.length > 0 && this.#alive(at)) node.ids.forEach(allow);
      for (const [byte, child] of node.children) {
        const next = this.#next(at, byte);
        if (next) visit(child, next);
      }
    };
    visit(this.#trie, place);
    // Where the vocabulary cannot go on, an answer that is cut is better than one of the wrong form.
    if (place.ends || mask.every((word) => word === 0)) this.#endTokens.forEach(allow);
    place.mask = mask;
    return mask;
  }

  /** Whether the text may end here or some token goes on. */
  #alive(place: Place): boolean {
    const goesOn = (node: TrieNode, at: Place): boolean => {
      for (const [byte, child] of node.children) {
        const next = this.#next(at, byte);
        if (next && (child.ids.length > 0 || goesOn(child, next))) return true;
      }
      return false;
    };
    return place.ends || goesOn(this.#trie, place);
  }

  #next(place: Place, byte: number): Place | null {
    const known = place.next.get(byte);
    if (known !== undefined) return known;
    const stacks = new Set<number>();
    for (const stack of place.stacks) {
      const element = this.#elements[this.#tops[stack]!];
      if (!element || !("bytes" in element)) continue;
      if (!element.bytes.some(([low, high]) => byte >= low && byte <= high)) continue;
      this.#expand(this.#tops[stack]! + 1, this.#below[stack]!, stacks);
    }
    const next = stacks.size === 0 ? null : this.#place(stacks);
    place.next.set(byte, next);
    return next;
  }

  /** All stacks, with a byte on top or empty, that the place `at` above `below` stands for. */
  #expand(at: number, below: number, found: Set<number>): void {
    const element = this.#elements[at];
    if (element === undefined) return;
    if (element === null) {
      if (below === 0) found.add(0);
      else this.#expand(this.#tops[below]!, this.#below[below]!, found);
    } else if ("bytes" in element) found.add(this.#stack(at, below));
    else {
      // A rule at the end of an alternative returns to where the alternative would.
      const back = this.#elements[at + 1] === null ? below : this.#stack(at + 1, below);
      for (const begin of this.#alternatives[element.rule]!) this.#expand(begin, back, found);
    }
  }

  #stack(top: number, below: number): number {
    const key = `${top} ${below}`;
    let stack = this.#stacks.get(key);
    if (stack === undefined) {
      stack = this.#tops.push(top) - 1;
      this.#below.push(below);
      this.#stacks.set(key, stack);
    }
    return stack;
  }

  #place(stacks: ReadonlySet<number>): Place {
    const sorted = [...stacks].sort((a, b) => a - b);
    const key = sorted.join();
    let place = this.#places.get(key);
    if (!place) {
      place = { stacks: sorted, ends: sorted[0] === 0, next: new Map(), mask: null };
      this.#places.set(key, place);
    }
    return place;
  }
}
