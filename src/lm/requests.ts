import { FulguriteError } from "../gpu/error.ts";
import { inputIds } from "../kernels/transformer-places.ts";
import type { TransformerShape } from "../nn/transformer-layout.ts";
import type { TransformerLayout } from "../nn/transformer-layout.ts";
import type { GenerateRequest, LanguageState, TokenLossConfig, TokenRows } from "./language-engine.ts";

/** Throws "lm/unsupported-shape" where the CPU engine's vectors of four do not fit. */
export function checkShape(shape: TransformerShape): void {
  const sizes = { width: shape.width, headSize: shape.headSize, feedForward: shape.feedForward };
  for (const [name, size] of Object.entries(sizes)) {
    if (size > 0 && size % 4 === 0) continue;
    throw new FulguriteError(
      "lm/unsupported-shape",
      `The transformer's ${name} is ${size}, which is no multiple of 4.`,
      `Choose a ${name} that is.`,
    );
  }
  const { rank } = shape.adapter ?? { rank: 4 };
  if (!(rank > 0 && rank % 4 === 0)) {
    throw new FulguriteError(
      "lm/unsupported-shape",
      `The adapter's rank is ${rank}, which is no multiple of 4.`,
      "Choose 4, 8, 16 or another one that is.",
    );
  }
  if (shape.heads % shape.keyValueHeads !== 0) {
    throw new FulguriteError(
      "lm/unsupported-shape",
      `${shape.keyValueHeads} key and value heads cannot be shared by ${shape.heads} query heads.`,
      "Choose a number of key and value heads that divides the number of heads.",
    );
  }
}

/** Throws where a request cannot be served by a model of this shape. */
export function checkRequest(request: GenerateRequest, shape: TransformerShape): void {
  if (request.prompt.length === 0) {
    throw new FulguriteError(
      "lm/empty-prompt",
      "A completion was asked for without a prompt.",
      "Start the prompt with the beginning-of-sequence token.",
    );
  }
  if (request.prompt.length >= shape.maxLength) {
    throw new FulguriteError(
      "lm/prompt-too-long",
      `The prompt has ${request.prompt.length} tokens; the model has ${shape.maxLength} positions in all.`,
      "Shorten the prompt, or make a model with a larger maxLength.",
    );
  }
  checkIds(request.prompt, inputIds(shape));
  if (request.allowed !== null) checkAllowed(request.allowed, shape.vocabularySize);
  checkFilters(request, shape.vocabularySize);
  if (!(request.temperature >= 0) || request.temperature === Infinity) {
    throw new FulguriteError(
      "lm/bad-temperature",
      `The temperature is ${request.temperature}.`,
      "Use a number from 0 (greedy) on; 1 is the policy itself.",
    );
  }
}

function checkFilters(
  { topK = 0, topP = 1, minP = 0, logitBias }: GenerateRequest,
  vocabularySize: number,
): void {
  const usable =
    Number.isInteger(topK) &&
    topK >= 0 &&
    topP > 0 &&
    topP <= 1 &&
    minP >= 0 &&
    minP <= 1 &&
    [...(logitBias?.values() ?? [])].every(Number.isFinite);
  if (logitBias) checkIds(Int32Array.from(logitBias.keys()), vocabularySize);
  if (usable) return;
  throw new FulguriteError(
    "lm/bad-filter",
    `topK ${topK}, topP ${topP}, minP ${minP} or a logit bias cannot be used.`,
    "topK is a whole number from 0, topP above 0 and at most 1, minP from 0 to 1, a bias a finite number.",
  );
}

/** Throws where the rows lack what the loss reads. */
export function checkStep(rows: TokenRows, shape: TransformerShape, { kl }: TokenLossConfig): void {
  checkRows(rows, shape);
  if (!kl || kl.coefficient === 0 || rows.referenceLogProbabilities) return;
  throw new FulguriteError(
    "lm/no-reference",
    "The loss has a KL term, and the rows have no log-probabilities of a reference.",
    "Score the rows with the reference policy first, or leave `kl` out.",
  );
}

/** Throws where rows cannot be trained on or scored by a model of this shape. */
export function checkRows(rows: TokenRows, shape: TransformerShape): void {
  checkIds(rows.tokens, inputIds(shape));
  if (rows.allowed !== null) checkAllowed(rows.allowed, shape.vocabularySize);
  const allowed = rows.allowed === null ? null : new Set(rows.allowed);
  for (let row = 0; row < rows.rows; row++) {
    const used = rows.lengths[row]!;
    if (used > rows.length || used > shape.maxLength) {
      throw new FulguriteError(
        "lm/row-too-long",
        `Row ${row} has ${used} tokens; ${Math.min(rows.length, shape.maxLength)} fit.`,
        "Cut the row, or make a model with a larger maxLength.",
      );
    }
    for (let at = row * rows.length + 1; at < row * rows.length + used; at++) {
      if (!(rows.weights[at]! > 0)) continue;
      const id = rows.tokens[at]!;
      if (id < shape.vocabularySize && (allowed === null || allowed.has(id))) continue;
      throw new FulguriteError(
        "lm/token-not-allowed",
        `Row ${row} trains on token ${id}, which the policy could not have sampled.`,
        "Give it weight 0, or add it to the allowed ids.",
      );
    }
  }
}

/** Throws "lm/state-mismatch" where a state was saved by a model of another shape. */
export function checkState(state: LanguageState, { length, trainable }: TransformerLayout): void {
  const { parameters, firstMoment, secondMoment } = state;
  for (const [part, needed] of [
    [parameters, length],
    [firstMoment, length - trainable],
    [secondMoment, length - trainable],
  ] as const) {
    if (part.length === needed) continue;
    throw new FulguriteError(
      "lm/state-mismatch",
      `The saved state has ${part.length} elements, this model needs ${needed}.`,
      "Load it into a model of the same shape.",
    );
  }
}

function checkIds(ids: Int32Array, vocabularySize: number): void {
  const wrong = ids.find((id) => id < 0 || id >= vocabularySize);
  if (wrong === undefined) return;
  throw new FulguriteError(
    "lm/unknown-token",
    `Token ${wrong} is not in the vocabulary of ${vocabularySize}.`,
    "Encode the text with the tokenizer that belongs to the model.",
  );
}

function checkAllowed(allowed: Int32Array, vocabularySize: number): void {
  checkIds(allowed, vocabularySize);
  if (allowed.length > 0 && new Set(allowed).size === allowed.length) return;
  throw new FulguriteError(
    "lm/bad-allowed",
    "The allowed ids are empty or name an id twice.",
    "List every id that may be sampled once.",
  );
}
