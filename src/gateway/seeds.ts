import { philox } from "../kernels/philox.ts";

/** Who asks for noise: everything a completion's seed may depend on. */
export interface SeedContext {
  readonly rolloutId: string;
  readonly attemptId: string;
  readonly mode: "train" | "evaluation";
  readonly callIndex: number;
  readonly choice: number;
  /** `seed` of the request, null where the agent sent none. */
  readonly requestSeed: number | null;
}

/**
 * Seeds by rollout, attempt, call and choice, so that a run repeats whatever order its agents call in. A seed that
 * the agent sends decides alone in evaluation; in training it is mixed in, because siblings of a group that all
 * send the same one would all sample the same text.
 */
export function seedsOfRun(runSeed: number): (context: SeedContext) => number {
  return ({ rolloutId, attemptId, mode, callIndex, choice, requestSeed }) => {
    const identity =
      mode === "evaluation" && requestSeed !== null
        ? "request"
        : JSON.stringify([rolloutId, attemptId, callIndex]);
    const asked = requestSeed ?? 0;
    const words = new Uint32Array(4);
    philox(
      [hash(identity), choice, asked >>> 0, Math.floor(asked / 2 ** 32) >>> 0],
      [runSeed >>> 0, 0],
      words,
    );
    return words[0]!;
  };
}

/** FNV-1a over UTF-16 code units, 32 bits. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h >>> 0;
}
