import type { Rollout, Span } from "../../store/records.ts";
import { importProblem, messageOf, type ImportProblem } from "../../trace/import-problem.ts";
import { parseJsonLines } from "../../trace/json-lines.ts";
import { isFields, wrongRollout, wrongSpan } from "./checks.ts";
import { decodeCloneable, encodeCloneable } from "./cloneable-json.ts";

/** Rollouts with their spans, as a file of lines has them. */
export interface RolloutLines {
  readonly rollouts: readonly Rollout[];
  readonly spans: readonly Span[];
}

const format = "fulgurite.rollouts";
const version = 1;

/** A rollout as JSON; see `encodeCloneable`. */
export const encodeRollout = (rollout: Rollout): string => JSON.stringify(encodeCloneable(rollout).json);

/** The rollout, unchecked. Throws where the text is no JSON of ours. */
export const decodeRollout = (text: string): unknown => decodeCloneable(JSON.parse(text));

/**
 * One JSON object a line: the format first, then rollouts (`"type": "rollout"`) and spans (`"type": "span"`), each with
 * the store's own fields. Values that JSON has no word for are marked (see `encodeCloneable`).
 */
export function encodeRolloutLines({ rollouts, spans }: RolloutLines): string {
  const line = (type: string, record: object): string =>
    JSON.stringify({ type, ...(encodeCloneable(record).json as object) });
  return [
    JSON.stringify({ type: "format", format, version }),
    ...rollouts.map((rollout) => line("rollout", rollout)),
    ...spans.map((span) => line("span", span)),
    "",
  ].join("\n");
}

export interface RolloutLinesImport extends RolloutLines {
  readonly problems: readonly ImportProblem[];
}

/** Reads what `encodeRolloutLines` writes. A line that is no rollout and no span is a problem with its number and byte. */
export function decodeRolloutLines(text: string): RolloutLinesImport {
  const lines = parseJsonLines(text, "jsonl", "JSON");
  const problems: ImportProblem[] = [...lines.problems];
  const rollouts: Rollout[] = [];
  const spans: Span[] = [];
  for (const { value, line, byte } of lines.items) {
    const refuse = (
      why: string,
      fix = "Correct the line, or leave it out; the other lines were read.",
    ): void => {
      problems.push(importProblem("jsonl", `Line ${line}: ${why}.`, fix, { byte, row: line, line }));
    };
    if (!isFields(value)) {
      refuse("it is no object");
      continue;
    }
    const { type, ...fields } = value;
    if (type === "format") {
      if (value["format"] !== format)
        refuse(`its format is ${JSON.stringify(value["format"])}, not "${format}"`);
      else if (value["version"] !== version) {
        refuse(`its version is ${JSON.stringify(value["version"])}`, "Open it with a newer Fulgurite.");
      }
      continue;
    }
    let record: unknown;
    try {
      record = decodeCloneable(fields);
    } catch (error) {
      refuse(messageOf(error));
      continue;
    }
    const wrong =
      type === "rollout"
        ? wrongRollout(record)
        : type === "span"
          ? wrongSpan(record)
          : `its type is ${JSON.stringify(type)}, not "rollout" or "span"`;
    if (wrong !== null) refuse(wrong);
    else if (type === "rollout") rollouts.push(record as Rollout);
    else spans.push(record as Span);
  }
  return { rollouts, spans, problems };
}
