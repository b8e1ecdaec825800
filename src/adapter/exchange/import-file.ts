import type { Rollout, Span } from "../../store/records.ts";
import type { Imported, ImportProblem } from "../../trace/import-problem.ts";
import { textOfFile } from "../../trace/json-lines.ts";
import { decodeOtlpJson } from "../../trace/otlp/json.ts";
import type { OtlpSpan } from "../../trace/otlp/model.ts";
import { decodeOtlpProtobuf } from "../../trace/otlp/protobuf.ts";
import { spansFromOtlp } from "../../trace/otlp/spans.ts";
import type { ChatExample } from "../chat-messages.ts";
import { decodeFineTuning } from "./fine-tuning.ts";
import { rolloutsFromOtlp } from "./otlp-rollouts.ts";
import { decodeRolloutLines } from "./rollout-lines.ts";
import { decodeRunArchive, type RunArchiveImport } from "./run-archive.ts";
import { decodeSpanTable } from "./span-table.ts";

export type FileKind = "archive" | "arrow" | "otlp-json" | "otlp-protobuf" | "rollouts" | "fine-tuning";

/** Whatever a file held, of any kind that we read. */
export interface ImportedFile {
  readonly kind: FileKind;
  readonly rollouts: readonly Rollout[];
  readonly spans: readonly Span[];
  readonly examples: readonly ChatExample[];
  /** Where it was the archive of a run. */
  readonly archive: RunArchiveImport | null;
  /** Model calls without token ids: good for prompts and supervised training, not for policy gradients. */
  readonly callsWithoutTokens: number;
  readonly problems: readonly ImportProblem[];
}

const starts = (bytes: Uint8Array, text: string): boolean =>
  [...text].every((character, i) => bytes[i] === character.charCodeAt(0));

/** What a file is, by its first bytes; names lie. */
export function fileKind(bytes: Uint8Array): FileKind {
  if (starts(bytes, "PK")) return "archive";
  if (starts(bytes, "ARROW1") || starts(bytes, "\xff\xff\xff\xff")) return "arrow";
  const head = new TextDecoder().decode(bytes.subarray(0, 4096)).trimStart();
  if (!head.startsWith("{") && !head.startsWith("[")) return "otlp-protobuf";
  const [first = ""] = head.split("\n");
  if (/"format"\s*:\s*"fulgurite\.rollouts"|"type"\s*:\s*"(rollout|span)"/.test(first)) return "rollouts";
  return /^\{\s*"(messages|tools)"/.test(head) ? "fine-tuning" : "otlp-json";
}

function otlp(
  imported: Imported<OtlpSpan>,
  runId: string,
): Pick<ImportedFile, "rollouts" | "spans" | "callsWithoutTokens" | "problems"> {
  const { rollouts, ...rest } = rolloutsFromOtlp(imported);
  const { items, problems, callsWithoutTokens } = spansFromOtlp(rest, { runId });
  return { rollouts, spans: items, callsWithoutTokens, problems };
}

/** Reads a file of any kind. `runId` is the run of spans that name none. */
export function importFile(bytes: Uint8Array, runId: string): ImportedFile {
  const kind = fileKind(bytes);
  const nothing = {
    kind,
    rollouts: [],
    spans: [],
    examples: [],
    archive: null,
    callsWithoutTokens: 0,
    problems: [],
  };
  switch (kind) {
    case "archive": {
      const archive = decodeRunArchive(bytes);
      const { rollouts, spans, problems } = archive;
      return { ...nothing, archive, rollouts, spans, problems };
    }
    case "arrow": {
      const { items, rollouts, problems } = decodeSpanTable(bytes);
      return { ...nothing, rollouts, spans: items, problems };
    }
    case "otlp-protobuf":
      return { ...nothing, ...otlp(decodeOtlpProtobuf(bytes), runId) };
    default:
      break;
  }
  const file = textOfFile(bytes);
  if (kind === "otlp-json") {
    const read = otlp(decodeOtlpJson(file.text), runId);
    return { ...nothing, ...read, problems: [...file.problems, ...read.problems] };
  }
  if (kind === "rollouts") {
    const { rollouts, spans, problems } = decodeRolloutLines(file.text);
    return { ...nothing, rollouts, spans, problems: [...file.problems, ...problems] };
  }
  const { items, problems } = decodeFineTuning(file.text);
  return { ...nothing, examples: items, problems: [...file.problems, ...problems] };
}
