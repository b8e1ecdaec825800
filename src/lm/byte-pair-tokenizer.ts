import { FulguriteError } from "../gpu/error.ts";
import { renderTurns, specials, type Tokenizer } from "./tokenizer.ts";

/**
 * What byte-pair training has learned (Sennrich et al. 2016, arXiv 1508.07909, over bytes as in GPT-2). Plain data: the
 * pair at place i becomes token 256 + i; tokens below 256 are bytes.
 */
export interface BytePairs {
  readonly merges: readonly (readonly [number, number])[];
}

/** Most pairs that are learned. */
export const MAX_PAIRS = 65_000;

/** GPT-2's pieces, which no pair crosses: contractions, words and numbers with a space in front, signs, white space. */
const piece = /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+/gu;

const piecesOf = (text: string): number[][] =>
  Array.from(text.matchAll(piece), ([part]) => Array.from(new TextEncoder().encode(part)));

/** Pairs as one number. */
const pairOf = (a: number, b: number): number => a * 0x100000 + b;

/**
 * Learns up to `merges` pairs from texts: always the most frequent one, of equal ones that of the lower tokens; it ends
 * early where no pair is left that occurs twice. The same texts give the same pairs everywhere.
 */
export function trainBytePairs(texts: readonly string[], merges: number): BytePairs {
  if (!Number.isInteger(merges) || merges < 0 || merges > MAX_PAIRS) {
    throw new FulguriteError(
      "lm/bad-vocabulary",
      `${String(merges)} byte pairs cannot be learned.`,
      "Ask for a whole number from 0 to 65,000.",
    );
  }
  const counts = new Map<string, { pieces: number[]; count: number }>();
  for (const pieces of texts.flatMap(piecesOf)) {
    const known = counts.get(pieces.join());
    if (known) known.count++;
    else counts.set(pieces.join(), { pieces, count: 1 });
  }
  const words = [...counts.values()];
  const pairs = new Map<number, number>();
  /** Words that a pair has occurred in. */
  const places = new Map<number, Set<number>>();
  const note = (at: number, sign: 1 | -1): void => {
    const { pieces, count } = words[at]!;
    for (let i = 1; i < pieces.length; i++) {
      const pair = pairOf(pieces[i - 1]!, pieces[i]!);
      const left = (pairs.get(pair) ?? 0) + sign * count;
      if (left > 0) pairs.set(pair, left);
      else pairs.delete(pair);
      if (sign < 0) continue;
      const known = places.get(pair);
      if (known) known.add(at);
      else places.set(pair, new Set([at]));
    }
  };
  words.forEach((_, at) => {
    note(at, 1);
  });
  const learned: [number, number][] = [];
  while (learned.length < merges) {
    let best = -1;
    let most = 1;
    for (const [pair, count] of pairs) {
      if (count > most || (count === most && count > 1 && pair < best)) [best, most] = [pair, count];
    }
    if (best < 0) break;
    const merge: [number, number] = [Math.floor(best / 0x100000), best % 0x100000];
    learned.push(merge);
    for (const at of places.get(best)!) {
      note(at, -1);
      const word = words[at]!;
      word.pieces = merged(word.pieces, merge, 255 + learned.length);
      note(at, 1);
    }
    places.delete(best);
  }
  return { merges: learned };
}

/**
 * Text as the byte pairs split it; ids are tokens + 4. No text is unknown to it. Ids that do not make up whole characters
 * are decoded as U+FFFD. Throws "lm/bad-vocabulary" where a pair names a token that is not there yet.
 */
export function bytePairTokenizer({ merges }: BytePairs): Tokenizer {
  const bytes: Uint8Array[] = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));
  const ranks = new Map<number, number>();
  merges.forEach(([a, b], i) => {
    const [left, right] = [bytes[a], bytes[b]];
    if (!left || !right || ranks.has(pairOf(a, b))) {
      throw new FulguriteError(
        "lm/bad-vocabulary",
        `The byte pair ${i} is of tokens that are not there yet, or there twice.`,
        "Use the pairs as they were learned.",
      );
    }
    ranks.set(pairOf(a, b), i);
    bytes.push(Uint8Array.from([...left, ...right]));
  });
  const known = new Map<string, readonly number[]>();
  const encodePiece = (pieces: number[]): readonly number[] => {
    const key = pieces.join();
    const before = known.get(key);
    if (before) return before;
    let tokens = pieces;
    for (;;) {
      let rank = Infinity;
      for (let i = 1; i < tokens.length; i++) {
        rank = Math.min(rank, ranks.get(pairOf(tokens[i - 1]!, tokens[i]!)) ?? Infinity);
      }
      if (rank === Infinity) break;
      tokens = merged(tokens, merges[rank]!, 256 + rank);
    }
    if (known.size < 10_000) known.set(key, tokens);
    return tokens;
  };
  const encode = (text: string): Int32Array =>
    Int32Array.from(piecesOf(text).flatMap(encodePiece), (token) => firstToken + token);
  return {
    ...specials,
    vocabularySize: firstToken + bytes.length,
    answerIds: Int32Array.from([specials.eos, ...bytes.map((_, token) => firstToken + token)]),
    encode,
    decode: (ids) =>
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(
        Uint8Array.from(Array.from(ids).flatMap((id) => [...(bytes[id - firstToken] ?? [])])),
      ),
    renderChat: (messages) => renderTurns(messages, encode),
  };
}

const firstToken = 4;

/** Every [a, b], from the left, as `token`. */
function merged(tokens: readonly number[], [a, b]: readonly [number, number], token: number): number[] {
  const result: number[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const pair = tokens[i] === a && tokens[i + 1] === b;
    result.push(pair ? token : tokens[i]!);
    if (pair) i++;
  }
  return result;
}

/** GPT-2's letters for bytes, in which `tokenizer.json` writes tokens: printable Latin-1 as it is, the rest from 256 on. */
function letters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCodePoint(printable ? byte : next++);
  });
}

/** The same tokenizer, with the same ids, as the `tokenizer.json` that Hugging Face's libraries read. */
export function bytePairTokenizerJson({ merges }: BytePairs): Readonly<Record<string, unknown>> {
  const tokens = letters();
  const pairs = merges.map(([a, b]) => {
    const pair = [tokens[a]!, tokens[b]!] as const;
    tokens.push(pair.join(""));
    return pair;
  });
  const level = { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true };
  const names = Object.entries(specials).map(([name, id]) => ({ id, content: `<|${name}|>` }));
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: names.map((name) => ({
      ...name,
      ...{ single_word: false, lstrip: false, rstrip: false, normalized: false, special: true },
    })),
    normalizer: null,
    pre_tokenizer: level,
    post_processor: null,
    decoder: level,
    model: {
      type: "BPE",
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      vocab: Object.fromEntries([
        ...names.map(({ content, id }) => [content, id] as const),
        ...tokens.map((token, i) => [token, firstToken + i] as const),
      ]),
      merges: pairs,
    },
  };
}
