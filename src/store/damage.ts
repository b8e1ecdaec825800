import { crc32 } from "./crc32.ts";
import type { StoreProblem } from "./records.ts";
import type { ColdPart, Segment, TokenPart } from "./storage.ts";
import { xxh32 } from "./xxh32.ts";

/** What cannot be read, and why. */
export interface Damage {
  readonly segment: Segment;
  readonly part: "segment" | "tokens" | "texts";
  readonly reason: string;
}

/** A stretch of a folder's log that could not be read. A list of them is in `meta`, under "damage". */
export interface LogDamage {
  /** Where its bytes are now, beside the log. */
  readonly file: string;
  /** Where they began in the log, and how many there are. */
  readonly at: number;
  readonly bytes: number;
  /** Runs of which something was, or may have been, in it. */
  readonly runs: readonly string[];
}

/** What a person is told of it. */
export function logProblems(damage: readonly LogDamage[]): StoreProblem[] {
  return damage.map(({ file, at, bytes, runs }) => ({
    code: "store/corrupt-log",
    message:
      `${bytes} bytes of store.log, from byte ${at} on, cannot be read` +
      (runs.length === 0
        ? "."
        : `; they were, or may have been, of ${runs.map((id) => `run ${id}`).join(", ")}.`),
    fix: `They were set aside in ${file} and everything else is there; delete that file once you no longer need it.`,
    line: null,
    column: null,
    runId: runs.length === 1 ? runs[0]! : null,
    segment: null,
  }));
}

/** How to know that bytes are whole. */
export interface Expected {
  readonly byteLength: number;
  readonly hash?: number;
  readonly crc?: number;
}

/** What `decode` makes of intact bytes, or why they cannot be read. */
export function openIntact<Content extends object>(
  bytes: Uint8Array<ArrayBuffer> | undefined,
  { byteLength, hash, crc }: Expected,
  decode: (bytes: Uint8Array<ArrayBuffer>) => Content,
): Content | string {
  if (!bytes) return "its data is missing";
  if (bytes.byteLength !== byteLength) return `${bytes.byteLength} bytes instead of ${byteLength}`;
  const whole = hash === undefined ? crc32(bytes) === crc : xxh32(bytes) === hash;
  if (!whole) return "its checksum differs";
  try {
    return decode(bytes);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** What a person is told of the damaged parts of a segment. */
export function corruptProblems(segment: Segment): StoreProblem[] {
  const { runId, number, rows, minSequence, maxSequence, damage, tokens, texts } = segment;
  const where = `egment ${number} of run ${runId} (${rows} spans, sequence ${minSequence} to ${maxSequence})`;
  const place = { line: null, column: null, runId, segment: number };
  if (damage !== null) {
    return [
      {
        code: "store/corrupt-segment",
        message: `S${where} cannot be read: ${damage}.`,
        fix: "It was set aside and the rest of the run is readable; delete the run once you no longer need it.",
        ...place,
      },
    ];
  }
  const problems: StoreProblem[] = [];
  const apart = (
    part: ColdPart | TokenPart | null | undefined,
    name: "tokens" | "texts",
    word: string,
  ): void => {
    if (!part || part.damage === null) return;
    problems.push({
      code: `store/corrupt-${name}`,
      message: `The ${word} of s${where} cannot be read: ${part.damage}.`,
      fix: "Its spans are readable without them; delete the run once you no longer need it.",
      ...place,
    });
  };
  apart(tokens, "tokens", "tokens");
  apart(texts, "texts", "long texts");
  return problems;
}
