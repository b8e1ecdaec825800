import { renderTurns, specials, type Tokenizer } from "./tokenizer.ts";

const firstByte = 4;

/**
 * One id a byte of UTF-8, from 4 on: no text is unknown to it. Ids that do not make up whole characters are decoded as
 * U+FFFD.
 */
export function byteTokenizer(): Tokenizer {
  const encode = (text: string): Int32Array =>
    Int32Array.from(new TextEncoder().encode(text), (byte) => firstByte + byte);
  return {
    ...specials,
    vocabularySize: firstByte + 256,
    answerIds: Int32Array.from([specials.eos, ...Array.from({ length: 256 }, (_, byte) => firstByte + byte)]),
    encode,
    decode: (tokens) =>
      new TextDecoder("utf-8", { ignoreBOM: true }).decode(
        Uint8Array.from(Array.from(tokens, (id) => id - firstByte).filter((byte) => byte >= 0 && byte < 256)),
      ),
    renderChat: (messages) => renderTurns(messages, encode),
  };
}
