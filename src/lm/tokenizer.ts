import { FulguriteError } from "../gpu/error.ts";

/** One turn of a conversation, as text. */
export interface ConversationMessage {
  /** "assistant" marks what the policy said; any other role is what it was told. */
  readonly role: string;
  readonly content: string;
}

/** Text to ids and back, and the conversation format that a policy is trained on. */
export interface Tokenizer {
  readonly vocabularySize: number;
  readonly pad: number;
  /** Beginning of sequence. */
  readonly bos: number;
  /** End of an assistant's turn. */
  readonly eos: number;
  /** End of any other turn: the policy speaks next. */
  readonly separator: number;
  /** Ids that make sense in an answer, the end included: what `allowed` should be. */
  readonly answerIds: Int32Array;
  /** Ids of learned embeddings that every conversation begins with; absent where there are none. */
  readonly softPrompt?: Int32Array;
  /** Ids of a text, without beginning or end. Throws "lm/unknown-character". */
  encode(text: string): Int32Array;
  /** Special ids are left out. Texts of parts, one after another, are the text of the whole, but for split characters. */
  decode(ids: ArrayLike<number>): string;
  /**
   * Ids of a conversation up to where the answer begins: beginning, then every turn's text and its end, `eos` for the
   * assistant's and `separator` for others. A longer conversation extends the ids of a shorter one and its answer
   * exactly, so that several calls of an agent are one training row.
   */
  renderChat(messages: readonly ConversationMessage[]): Int32Array;
}

/** Ids below those of text, the same in every tokenizer of ours. */
export const specials = { pad: 0, bos: 1, eos: 2, separator: 3 } as const;
const firstCharacter = 4;

/**
 * One id a character (Unicode code point) of `alphabet`, in its order, from 4 on; 0 to 3 are padding, beginning, end and
 * separator. Throws "lm/duplicate-character" where the alphabet names a character twice.
 */
export function characterTokenizer(alphabet: string): Tokenizer {
  const characters = Array.from(alphabet);
  const ids = new Map<string, number>();
  characters.forEach((character, i) => {
    if (ids.has(character)) {
      throw new FulguriteError(
        "lm/duplicate-character",
        `The alphabet names ${JSON.stringify(character)} twice.`,
        "List every character once.",
      );
    }
    ids.set(character, firstCharacter + i);
  });
  const encode = (text: string): Int32Array =>
    Int32Array.from(Array.from(text), (character) => {
      const id = ids.get(character);
      if (id !== undefined) return id;
      throw new FulguriteError(
        "lm/unknown-character",
        `${JSON.stringify(character)} is not in the model's alphabet ${JSON.stringify(alphabet)}.`,
        "Add it to the tokenizer's alphabet and make a new model, or leave it out of the text.",
      );
    });
  return {
    ...specials,
    vocabularySize: firstCharacter + characters.length,
    answerIds: Int32Array.from([specials.eos, ...ids.values()]),
    encode,
    decode: (tokens) => Array.from(tokens, (id) => characters[id - firstCharacter] ?? "").join(""),
    renderChat: (messages) => renderTurns(messages, encode),
  };
}

/** `Tokenizer.renderChat` over an encoder. */
export const renderTurns = (
  messages: readonly ConversationMessage[],
  encode: (text: string) => Int32Array,
): Int32Array =>
  Int32Array.from([
    specials.bos,
    ...messages.flatMap(({ role, content }) => [
      ...encode(content),
      role === "assistant" ? specials.eos : specials.separator,
    ]),
  ]);
