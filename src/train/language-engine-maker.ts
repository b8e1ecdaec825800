import type { LanguageEngine } from "../lm/language-engine.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { LanguageJob } from "./job.ts";
import type { EngineTerms } from "./run-controller.ts";

/** Makes the engine of a language policy; "webgpu" rejects where there is no adapter, "auto" takes what there is. */
export type LanguageEngineMaker = (
  shape: TransformerShape,
  seed: number,
  choice: LanguageJob["engine"],
  terms: EngineTerms,
) => Promise<LanguageEngine>;
