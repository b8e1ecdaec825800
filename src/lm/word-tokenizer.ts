import { FulguriteError } from "../gpu/error.ts";
import { renderTurns, specials, type Tokenizer } from "./tokenizer.ts";

/** What a tokenizer over words knows. Plain data. */
export interface WordVocabulary {
  /** Every word that prompts and answers may have, once; none has white space in it. Ids from 4 on, in this order. */
  readonly words: readonly string[];
  /** The first so many of `words` are what an answer may consist of. */
  readonly answers: number;
}

/**
 * One id a word; words are what stands between white space. A grammar of its own (query languages, moves of a game)
 * needs far fewer tokens so than in characters, and an answer can only consist of words that make sense in one. Throws
 * "lm/duplicate-word" where the vocabulary names a word twice or one that is none.
 */
export function wordTokenizer({ words, answers }: WordVocabulary): Tokenizer {
  const ids = new Map<string, number>();
  words.forEach((word, i) => {
    if (word === "" || /\s/.test(word) || ids.has(word)) {
      throw new FulguriteError(
        "lm/duplicate-word",
        `The vocabulary names ${JSON.stringify(word)} twice, or it is no word.`,
        "List every word once, without white space in it.",
      );
    }
    ids.set(word, firstWord + i);
  });
  const encode = (text: string): Int32Array =>
    Int32Array.from(text.split(/\s+/).filter(Boolean), (word) => {
      const id = ids.get(word);
      if (id !== undefined) return id;
      throw new FulguriteError(
        "lm/unknown-word",
        `${JSON.stringify(word)} is not in the model's vocabulary.`,
        "Add it to the policy's words and make a new model, or leave it out of the text.",
      );
    });
  return {
    ...specials,
    vocabularySize: firstWord + words.length,
    answerIds: Int32Array.from([specials.eos, ...words.slice(0, answers).map((_, i) => firstWord + i)]),
    encode,
    // With the space before it, so that the texts of tokens, one by one, make the text of all.
    decode: (tokens) =>
      Array.from(tokens, (id) => words[id - firstWord])
        .map((word) => (word === undefined ? "" : ` ${word}`))
        .join(""),
    renderChat: (messages) => renderTurns(messages, encode),
  };
}

const firstWord = 4;
