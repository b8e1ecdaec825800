import { FulguriteError } from "../gpu/error.ts";
import { decodeFrame, encodeFrame, frameLength, type Operation } from "./frame.ts";
import { schemaVersion, type Key, type TableName, type Tables } from "./storage.ts";

// A workspace file is a list of frames, each with a checksum of its own: a head that says of which versions it is, rows, and an
// end that says how many frames there were.

/** Of the order of frames; a reader exists for every number that ever shipped. */
const format = 1;
const headKey = "workspace";
const endKey = "end";

export const rowOperation = <Name extends TableName>(
  table: Name,
  key: Key,
  value: Tables[Name],
): Operation => ({
  kind: "put",
  table,
  key,
  value,
});

export const headFrame = (): Uint8Array<ArrayBuffer> =>
  encodeFrame([rowOperation("meta", headKey, { format, schemaVersion })]);

/** `frames` before this one, the head included. */
export const endFrame = (frames: number): Uint8Array<ArrayBuffer> =>
  encodeFrame([rowOperation("meta", endKey, { frames })]);

const damaged = (at: number, what: string): FulguriteError =>
  new FulguriteError(
    "store/damaged-workspace",
    `This file cannot be opened: at byte ${at} ${what}. Nothing of it was taken over.`,
    "Take another copy of the file, or save it once more where it came from.",
  );

const foreign = (): FulguriteError =>
  new FulguriteError(
    "store/no-workspace",
    "This file is no saved workspace.",
    "Pick a file that “Save everything to a file” made; it ends in .fulgurite.",
  );

/** Bytes of a file, one piece after another, as many at a time as are asked for. */
class PieceReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #piece = new Uint8Array(0);
  at = 0;

  constructor(file: Blob) {
    this.#reader = file.stream().getReader();
  }

  /** Fewer than `count` only at the end of the file. */
  async take(count: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      if (this.#piece.length === 0) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#piece = value;
      }
      const part = this.#piece.subarray(0, count - filled);
      bytes.set(part, filled);
      filled += part.length;
      this.#piece = this.#piece.subarray(part.length);
    }
    this.at += filled;
    return bytes.subarray(0, filled);
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }
}

interface Head {
  readonly format: number;
  readonly schemaVersion: number;
}

function headOf(operations: readonly Operation[]): Head {
  const [first] = operations;
  if (first?.kind !== "put" || first.table !== "meta" || first.key !== headKey) throw foreign();
  const head = first.value as Head;
  if (!(head.format <= format && head.schemaVersion <= schemaVersion)) {
    throw new FulguriteError(
      "store/newer-version",
      "This file was saved by a newer version of this page.",
      "Reload the page to get that version.",
    );
  }
  return head;
}

/**
 * The rows of a workspace file, frame by frame; the first item says of which schema they are. Every byte is checked as it
 * passes: rejects with "store/damaged-workspace", "store/no-workspace" or "store/newer-version".
 */
export async function* readWorkspaceFile(
  file: Blob,
): AsyncGenerator<{ readonly schemaVersion: number; readonly operations: readonly Operation[] }> {
  const reader = new PieceReader(file);
  try {
    let head: Head | null = null;
    for (let frames = 0; ; frames++) {
      const { at } = reader;
      const start = await reader.take(16);
      const length = frameLength(start);
      if (length === null && !head) throw foreign();
      if (length === null)
        throw damaged(at, start.length < 16 ? "it ends too early" : "no part of it begins");
      if (at + length > file.size) throw damaged(at, "a part is cut off");
      const frame = new Uint8Array(length);
      frame.set(start);
      frame.set(await reader.take(length - 16), 16);
      const operations = decodeFrame(frame);
      if (!operations) throw damaged(at, "the checksum of a part differs");
      const [first] = operations;
      if (!head) {
        head = headOf(operations);
        yield { schemaVersion: head.schemaVersion, operations: [] };
        continue;
      }
      if (first?.kind === "put" && first.table === "meta" && first.key === endKey) {
        const said = (first.value as { readonly frames: number }).frames;
        if (said !== frames) throw damaged(at, `${said} parts are promised, and there were ${frames}`);
        if (reader.at !== file.size) throw damaged(reader.at, "something follows its end");
        return;
      }
      yield { schemaVersion: head.schemaVersion, operations };
    }
  } finally {
    await reader.cancel();
  }
}
