import { strToU8 } from "fflate";
import { spansToMessages } from "../adapter/chat-messages.ts";
import {
  encodeFineTuning,
  encodeRolloutLines,
  encodeRunArchive,
  encodeSpanTable,
  rolloutsToOtlp,
} from "../adapter/exchange/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { LightningStore, Rollout, Span } from "../store/records.ts";
import { checkpointFile, policyFile } from "../train/load-checkpoint.ts";
import { policyWeights } from "../train/policy-files.ts";
import { encodeOtlpJson } from "../trace/otlp/json.ts";
import { encodeOtlpProtobuf } from "../trace/otlp/protobuf.ts";
import { usedResources } from "./run-resources.ts";

export type ExportFormat =
  | "checkpoint"
  | "policy"
  | "weights"
  | "adapters"
  | "archive"
  | "arrow"
  | "jsonl"
  | "otlp-json"
  | "otlp-protobuf"
  | "otlp-observability"
  | "fine-tuning";

export interface ExportRequest {
  readonly runId: string;
  readonly format: ExportFormat;
  /** Numbers of the rollouts; null: all of the run, and its own spans. An archive, a checkpoint, a policy and weights have no choice. */
  readonly numbers: readonly number[] | null;
}

export interface ExportedFile {
  readonly name: string;
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const files: Readonly<Record<ExportFormat, readonly [ending: string, type: string]>> = {
  checkpoint: ["safetensors", "application/octet-stream"],
  policy: ["policy.js", "text/javascript"],
  weights: ["safetensors", "application/octet-stream"],
  adapters: ["adapters.safetensors", "application/octet-stream"],
  archive: ["zip", "application/zip"],
  arrow: ["arrow", "application/vnd.apache.arrow.file"],
  jsonl: ["rollouts.jsonl", "application/jsonl"],
  "otlp-json": ["otlp.json", "application/json"],
  "otlp-protobuf": ["otlp.binpb", "application/x-protobuf"],
  "otlp-observability": ["otlp.json", "application/json"],
  "fine-tuning": ["fine-tuning.jsonl", "application/jsonl"],
};

async function selected(
  store: LightningStore,
  { runId, numbers }: ExportRequest,
): Promise<{ readonly rollouts: readonly Rollout[]; readonly spans: readonly Span[] }> {
  const all = await store.rollouts({ runId });
  if (numbers === null) return { rollouts: all, spans: await store.spans({ runId }) };
  const wanted = new Set(numbers);
  const rollouts = all.filter(({ number }) => wanted.has(number));
  // Beyond a few, one pass over everything is cheaper than a query each.
  if (rollouts.length > 200) {
    const ids = new Set(rollouts.map(({ id }) => id));
    const spans = await store.spans({ runId });
    return { rollouts, spans: spans.filter(({ rolloutId }) => rolloutId !== null && ids.has(rolloutId)) };
  }
  const spans = await Promise.all(rollouts.map(({ id }) => store.spans({ runId, rolloutId: id })));
  return { rollouts, spans: spans.flat() };
}

/** A run, or some of its rollouts, as a file. Throws "store/no-run". */
export async function exportRun(store: LightningStore, request: ExportRequest): Promise<ExportedFile> {
  const run = await store.run(request.runId);
  if (!run) {
    throw new FulguriteError(
      "store/no-run",
      `There is no run ${request.runId}.`,
      "Reload the page; it may have been deleted.",
    );
  }
  const [ending, type] = files[request.format];
  const name = `${run.name.replaceAll(/[^\w-]+/g, "-").toLowerCase() || "run"}-${run.id.slice(-6)}.${ending}`;
  if (request.format === "checkpoint") return { name, type, bytes: await checkpointFile(store, run) };
  if (request.format === "policy") {
    return { name, type, bytes: new Uint8Array(strToU8(await policyFile(store, run))) };
  }
  if (request.format === "weights" || request.format === "adapters") {
    const part = request.format === "weights" ? "model" : "adapters";
    return { name, type, bytes: await policyWeights(run.id, store, { part }) };
  }
  const content = await selected(
    store,
    request.format === "archive" ? { ...request, numbers: null } : request,
  );
  const { format } = request;
  const bytes = async (): Promise<Uint8Array<ArrayBuffer>> => {
    const { rollouts, spans } = content;
    switch (format) {
      case "archive":
        return encodeRunArchive({
          run,
          rollouts,
          spans,
          checkpoint: (await store.checkpoint(run.id)) ?? null,
          resources: await usedResources(store, run, rollouts),
        });
      case "arrow":
        return encodeSpanTable(spans, rollouts);
      case "jsonl":
        return new Uint8Array(strToU8(encodeRolloutLines({ rollouts, spans })));
      case "otlp-json":
        return new Uint8Array(strToU8(encodeOtlpJson(rolloutsToOtlp(spans, rollouts))));
      case "otlp-observability":
        return new Uint8Array(
          strToU8(encodeOtlpJson(rolloutsToOtlp(spans, rollouts, { profile: "observability" }))),
        );
      case "otlp-protobuf":
        return encodeOtlpProtobuf(rolloutsToOtlp(spans, rollouts, { dialect: "agent-lightning" }));
      case "fine-tuning":
        return new Uint8Array(strToU8(encodeFineTuning(spansToMessages(spans))));
    }
  };
  return { name, type, bytes: await bytes() };
}
