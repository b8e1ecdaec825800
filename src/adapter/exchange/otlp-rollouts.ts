import type { Rollout, Span } from "../../store/records.ts";
import { createSpan } from "../../trace/create-span.ts";
import { importProblem, messageOf, type Imported, type ImportProblem } from "../../trace/import-problem.ts";
import type { OtlpSpan } from "../../trace/otlp/model.ts";
import { spansToOtlp, type OtlpOptions } from "../../trace/otlp/spans.ts";
import { fulgurite } from "../../trace/semantic-conventions.ts";
import { wrongRollout } from "./checks.ts";
import { decodeRollout, encodeRollout } from "./rollout-lines.ts";

/** Stands for a rollout that has no spans yet. */
const emptySpan = ({ id, runId, startTime, endTime }: Rollout): Span =>
  createSpan({
    runId,
    rolloutId: id,
    sequence: 0,
    spanId: `${id}/rollout`,
    traceId: id,
    name: fulgurite.rollout,
    status: "unset",
    startTime,
    endTime: endTime ?? startTime,
    attributes: {},
  });

/**
 * Spans as OTLP has them, with their rollouts (task, answer, attempts, rewards), which OTLP has no place for: each as JSON in
 * the attribute "fulgurite.rollout" of its first span. One without spans gets a span of that name.
 */
export function rolloutsToOtlp(
  spans: readonly Span[],
  rollouts: readonly Rollout[],
  options: OtlpOptions = {},
): OtlpSpan[] {
  const traced = new Set(spans.map(({ rolloutId }) => rolloutId));
  const all = [...spans, ...rollouts.filter(({ id }) => !traced.has(id)).map(emptySpan)];
  const left = new Map(rollouts.map((rollout) => [rollout.id, rollout]));
  return spansToOtlp(all, options).map((otlp, i) => {
    const id = all[i]!.rolloutId;
    const rollout = id === null ? undefined : left.get(id);
    if (!rollout) return otlp;
    left.delete(rollout.id);
    return { ...otlp, attributes: { ...otlp.attributes, [fulgurite.rollout]: encodeRollout(rollout) } };
  });
}

export interface OtlpWithRollouts extends Imported<OtlpSpan> {
  readonly rollouts: readonly Rollout[];
}

/** Takes the rollouts out of what `rolloutsToOtlp` wrote; spans from elsewhere stay as they are. */
export function rolloutsFromOtlp(imported: Imported<OtlpSpan>): OtlpWithRollouts {
  const items: OtlpSpan[] = [];
  const rollouts: Rollout[] = [];
  const problems: ImportProblem[] = [...imported.problems];
  imported.items.forEach((span, i) => {
    const { [fulgurite.rollout]: text, ...attributes } = span.attributes;
    if (typeof text !== "string") {
      items.push(span);
      return;
    }
    if (span.name !== fulgurite.rollout) items.push({ ...span, attributes });
    try {
      const rollout = decodeRollout(text);
      const wrong = wrongRollout(rollout);
      if (wrong !== null) throw new Error(wrong);
      rollouts.push(rollout as Rollout);
    } catch (error) {
      const message = `The rollout of span ${i + 1} ("${span.name}") could not be read: ${messageOf(error)}.`;
      const fix = "Export it again; its spans were read.";
      problems.push(importProblem("otlp-rollout", message, fix, { row: i + 1 }));
    }
  });
  return { items, rollouts, problems };
}
