import { maskWords } from "../kernels/sample-token.ts";

/** Bits of the allowed ids; all of the vocabulary where `allowed` is null. */
export function allowedMask(allowed: Int32Array | null, vocabularySize: number): Uint32Array<ArrayBuffer> {
  const mask = new Uint32Array(maskWords(vocabularySize));
  if (allowed === null) for (let id = 0; id < vocabularySize; id++) mask[id >> 5]! |= 1 << (id & 31);
  else for (const id of allowed) mask[id >> 5]! |= 1 << (id & 31);
  return mask;
}
