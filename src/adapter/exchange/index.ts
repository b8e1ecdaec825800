export { decodeFineTuning, encodeFineTuning } from "./fine-tuning.ts";
export { fileKind, importFile, type FileKind, type ImportedFile } from "./import-file.ts";
export { rolloutsToOtlp } from "./otlp-rollouts.ts";
export { decodeRolloutLines, encodeRolloutLines, type RolloutLines } from "./rollout-lines.ts";
export { decodeRunArchive, encodeRunArchive, type RunArchive } from "./run-archive.ts";
export { decodeSpanTable, encodeSpanTable } from "./span-table.ts";
