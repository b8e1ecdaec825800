import { strFromU8, strToU8, unzipSync, zipSync } from "fflate";
import { crc32 } from "../../store/crc32.ts";
import type { Checkpoint, Rollout, Run, Span } from "../../store/records.ts";
import { importProblem, messageOf, type ImportProblem } from "../../trace/import-problem.ts";
import { isFields } from "./checks.ts";
import { decodeCloneable, encodeCloneable } from "./cloneable-json.ts";
import { decodeRolloutLines, encodeRolloutLines } from "./rollout-lines.ts";
import { decodeSpanTable, encodeSpanTable } from "./span-table.ts";

/** All that is kept of one run. */
export interface RunArchive {
  readonly run: Run;
  readonly rollouts: readonly Rollout[];
  readonly spans: readonly Span[];
  readonly checkpoint: Checkpoint | null;
  /** Versions of the resources that it was made with, as the store has them. */
  readonly resources: readonly unknown[];
}

const format = "fulgurite.run";
const version = 1;
const manifestName = "manifest.json";

/** More than this is not unpacked; a small file can say that it is immense. */
export const mostUnpackedBytes = 1_500_000_000;

const cloneableFile = (value: unknown): Uint8Array => strToU8(JSON.stringify(encodeCloneable(value).json));

/**
 * A run as one zip file: `manifest.json` (format, and length and CRC-32 of every other file), `run.json`, `rollouts.jsonl`,
 * `spans.arrow`, and where there are any `checkpoint.json` and `resources.json`. The same run always gives the same
 * bytes.
 */
export function encodeRunArchive(archive: RunArchive): Uint8Array<ArrayBuffer> {
  const { run, rollouts, spans, checkpoint, resources } = archive;
  const files: Record<string, Uint8Array> = {
    "run.json": cloneableFile(run),
    "rollouts.jsonl": strToU8(encodeRolloutLines({ rollouts, spans: [] })),
    "spans.arrow": encodeSpanTable(spans),
    ...(checkpoint ? { "checkpoint.json": cloneableFile(checkpoint) } : {}),
    ...(resources.length > 0 ? { "resources.json": cloneableFile(resources) } : {}),
  };
  const sums = Object.fromEntries(
    Object.entries(files).map(([name, bytes]) => [name, { bytes: bytes.length, crc32: crc32(bytes) }]),
  );
  const manifest = strToU8(JSON.stringify({ format, version, runId: run.id, files: sums }, null, 2));
  const mtime = "1980-01-02T00:00:00Z";
  return new Uint8Array(zipSync({ [manifestName]: manifest, ...files }, { level: 6, mtime }));
}

export interface RunArchiveImport extends Omit<RunArchive, "run"> {
  /** Null where it could not be read. */
  readonly run: Run | null;
  readonly problems: readonly ImportProblem[];
}

/**
 * Reads such a file. Each part that cannot be read, or is not what the manifest says, is a problem that names it; the
 * others are kept.
 */
export function decodeRunArchive(bytes: Uint8Array): RunArchiveImport {
  const problems: ImportProblem[] = [];
  const refuse = (
    name: string,
    why: string,
    place: { readonly byte?: number; readonly row?: number } = {},
  ): void => {
    const fix = "Export the run again; the other parts were read.";
    problems.push(importProblem("archive", `${name}: ${why}.`, fix, place));
  };
  const files = unpack(bytes, refuse);
  const manifest = json(files.get(manifestName), manifestName, refuse);
  if (isFields(manifest)) {
    if (manifest["format"] !== format)
      refuse(manifestName, `its format is ${JSON.stringify(manifest["format"])}`);
    else if (manifest["version"] !== version) {
      refuse(manifestName, `its version is ${JSON.stringify(manifest["version"])}, ours is ${version}`);
    }
    verify(files, manifest["files"], refuse);
  } else if (files.size > 0 && !files.has(manifestName)) refuse(manifestName, "it is missing");

  const run = json(files.get("run.json"), "run.json", refuse);
  const isRun = isFields(run) && typeof run["id"] === "string" && typeof run["status"] === "string";
  if (files.size > 0 && !isRun) refuse("run.json", "it is no run");
  const lines = decodeRolloutLines(strFromU8(files.get("rollouts.jsonl") ?? new Uint8Array()));
  for (const { message, byte, row } of lines.problems) {
    refuse("rollouts.jsonl", message.replace(/\.$/, ""), { byte: byte ?? 0, row: row ?? 0 });
  }
  const table = files.get("spans.arrow");
  const spans = table ? decodeSpanTable(table) : { items: [], problems: [] };
  for (const { message, row } of spans.problems)
    refuse("spans.arrow", message.replace(/\.$/, ""), row === null ? {} : { row });
  const checkpoint = json(files.get("checkpoint.json"), "checkpoint.json", refuse);
  const isCheckpoint =
    isFields(checkpoint) && typeof checkpoint["runId"] === "string" && isFields(checkpoint["state"]);
  if (checkpoint !== undefined && !isCheckpoint) refuse("checkpoint.json", "it is no checkpoint");
  const resources = json(files.get("resources.json"), "resources.json", refuse);
  return {
    run: isRun ? (run as unknown as Run) : null,
    rollouts: lines.rollouts,
    spans: spans.items,
    checkpoint: isCheckpoint ? (checkpoint as unknown as Checkpoint) : null,
    resources: Array.isArray(resources) ? (resources as readonly unknown[]) : [],
    problems,
  };
}

type Refuse = (name: string, why: string) => void;

/** File by file, so that a broken one costs only itself. */
function unpack(bytes: Uint8Array, refuse: Refuse): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  const entries: string[] = [];
  let total = 0;
  try {
    unzipSync(bytes, {
      filter: ({ name, originalSize }) => {
        total += originalSize;
        entries.push(name);
        return false;
      },
    });
  } catch (error) {
    refuse("The archive", `it is no zip file (${messageOf(error)})`);
    return files;
  }
  if (total > mostUnpackedBytes) {
    refuse("The archive", `it would unpack to ${total} bytes, more than ${mostUnpackedBytes}`);
    return files;
  }
  for (const entry of new Set(entries)) {
    try {
      const unpacked = unzipSync(bytes, { filter: ({ name }) => name === entry });
      const content = unpacked[entry];
      if (content) files.set(entry, content);
    } catch (error) {
      refuse(entry, `it cannot be unpacked (${messageOf(error)})`);
    }
  }
  return files;
}

function json(file: Uint8Array | undefined, name: string, refuse: Refuse): unknown {
  if (!file) return undefined;
  try {
    return decodeCloneable(JSON.parse(strFromU8(file)));
  } catch (error) {
    refuse(name, `it is no JSON of ours (${messageOf(error)})`);
    return undefined;
  }
}

function verify(files: ReadonlyMap<string, Uint8Array>, sums: unknown, refuse: Refuse): void {
  if (!isFields(sums)) {
    refuse(manifestName, "it does not list the files");
    return;
  }
  for (const [name, sum] of Object.entries(sums)) {
    const file = files.get(name);
    if (!file) refuse(name, "it is missing");
    else if (isFields(sum) && (sum["bytes"] !== file.length || sum["crc32"] !== crc32(file))) {
      refuse(name, "its bytes are not those that were written");
    }
  }
}
