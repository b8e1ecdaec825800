import { css, html, nothing, type TemplateResult } from "lit";
import type { Output } from "../notebook/session-types.ts";
import type { ShownSpan } from "../notebook/trace-output.ts";
import type { Span } from "../store/records.ts";
import { agentOutput, compositeRewardOutput, policyOutput } from "./agentic-outputs.ts";
import { loadView } from "./lazy-outputs.ts";
import "./reward-output.ts";
import type { RecordedRun } from "./recorded.ts";
import type { TrainerClient } from "./trainer-client.ts";
import "./value.ts";

/** What an output needs from around it. */
export interface OutputContext {
  readonly trainer: TrainerClient | null;
  readonly notebook: string;
  readonly cell: string;
  /** Cells that use what this one defines. */
  readonly usedBy: readonly string[];
  /** The code has changed since the run began. */
  readonly stale: boolean;
  /** What was recorded with the notebook. */
  readonly recorded: readonly RecordedRun[];
}

export const outputStyles = css`
  .output-text {
    margin: 0;
    font: var(--size-code) / 24px var(--font-code);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
    max-block-size: 480px;
    overflow-y: auto;
  }
  .output-progress {
    display: grid;
    grid-template-columns: auto minmax(80px, 1fr) auto;
    align-items: center;
    gap: 16px;
    font-size: var(--size-small);
    color: var(--ink-quiet);
    font-variant-numeric: tabular-nums;
  }
  .output-progress progress {
    inline-size: 100%;
    block-size: 6px;
    accent-color: var(--accent);
  }
  .output-text.warn {
    color: var(--stale);
  }
  .output-text.error {
    color: var(--error);
  }
  .output-test {
    margin: 0;
  }
  .output-test span {
    display: inline-block;
    min-inline-size: 56px;
    color: var(--passed);
  }
  .output-test.failed span {
    color: var(--error);
  }
  .output-test small {
    display: block;
    padding-inline-start: 56px;
    font-size: var(--size-small);
    color: var(--ink-quiet);
  }
`;

/** True for outputs that want more width than text. */
const isWide = ({ view }: Output): boolean => view === "run" || view === "table" || view === "trace";

type SweepOutput = Extract<Output, { view: "run" }>;

/** The views of a cell's outputs, in their order; the runs of a sweep are one. */
export function outputViews(outputs: readonly Output[], context: OutputContext): TemplateResult[] {
  const isSwept = (output: Output): output is SweepOutput =>
    output.view === "run" && output.setting !== undefined;
  const sweep = outputs.filter(isSwept);
  if (sweep.length > 0) loadView("sweep");
  const first = sweep[0];
  return outputs
    .filter((output) => output === first || !isSwept(output))
    .map((output) =>
      output === first
        ? html`<div class="wide">
            <fulgurite-sweep
              .runs=${sweep.map(({ runId, setting = "" }) => ({ runId, setting }))}
              .trainer=${context.trainer}
            ></fulgurite-sweep>
          </div>`
        : html`<div class=${isWide(output) ? "wide" : "output"}>${outputView(output, context)}</div>`,
    );
}

/** The view of one output; every kind of the closed set has one. */
function outputView(output: Output, context: OutputContext): TemplateResult {
  loadView(output.view);
  switch (output.view) {
    case "text":
      return html`<pre class=${`output-text ${output.stream}`}>${output.text}</pre>`;
    case "value":
      return html`<fulgurite-value .name=${output.name} .value=${output.value}></fulgurite-value>`;
    case "run":
      return html`<fulgurite-run
        .runId=${output.runId}
        .trainer=${context.trainer}
        .notebook=${context.notebook}
        .cell=${context.cell}
        .stale=${context.stale}
        .recorded=${context.recorded}
      ></fulgurite-run>`;
    case "environment":
      return html`<fulgurite-environment
        .name=${output.name}
        .gpu=${output.gpu ?? null}
      ></fulgurite-environment>`;
    case "reward":
      return html`<fulgurite-reward-output
        .wgsl=${output.wgsl}
        .checkedStates=${output.checkedStates}
        .largestDifference=${output.largestDifference}
        .nonFinite=${output.nonFinite}
        .undecided=${output.undecided}
        .gpu=${output.gpu ?? null}
      ></fulgurite-reward-output>`;
    case "loss":
      return html`<fulgurite-reward-output
        .wgsl=${output.wgsl}
        .checkedStates=${output.checkedRows}
        .checkedDerivatives=${output.checkedDerivatives}
        .largestDifference=${output.largestDifference}
        .undecided=${output.undecided}
        .gpu=${output.gpu ?? null}
      ></fulgurite-reward-output>`;
    case "test":
      return html`<p class=${`output-test ${output.passed ? "passed" : "failed"}`}>
        <span>${output.passed ? "passed" : "failed"}</span> ${output.name}${
          output.message === null ? nothing : html`<small>${output.message}</small>`
        }
      </p>`;
    case "input":
      return html`<fulgurite-input
        .cell=${context.cell}
        .label=${output.label}
        .input=${output.input}
        .value=${output.value}
      ></fulgurite-input>`;
    case "table":
      return html`<fulgurite-table .name=${output.name} .table=${output.table}></fulgurite-table>`;
    case "plot":
      return html`<fulgurite-plot .call=${output.call}></fulgurite-plot>`;
    case "image":
      return html`<fulgurite-image .alt=${output.alt} .image=${output.image}></fulgurite-image>`;
    case "progress":
      return html`<label class="output-progress"
        ><span>${output.label}</span><progress max="1" value=${output.share}></progress
        ><span>${output.words || `${Math.round(output.share * 100)} %`}</span></label
      >`;
    case "diff":
      return html`<fulgurite-diff .older=${output.before} .newer=${output.after}></fulgurite-diff>`;
    case "trace":
      return html`<fulgurite-trace .spans=${storedSpans(output.spans)}></fulgurite-trace>`;
    case "agent":
      return agentOutput(output);
    case "composite-reward":
      return html`${compositeRewardOutput(output)}
      ${
        output.rescore === null
          ? nothing
          : html`<fulgurite-rescore
              .trainer=${context.trainer}
              .notebook=${context.notebook}
              .cells=${context.usedBy}
              .reward=${output.rescore.source}
            ></fulgurite-rescore>`
      }`;
    case "policy":
      return policyOutput(output);
  }
}

const spansOf = new WeakMap<readonly ShownSpan[], readonly Span[]>();

/** Spans of a cell as the store would have them; the same list each time, so that an open row stays open. */
function storedSpans(shown: readonly ShownSpan[]): readonly Span[] {
  const known = spansOf.get(shown);
  if (known) return known;
  const spans = shown.map((span, sequence): Span => ({
    ...span,
    traceId: "",
    runId: "",
    rolloutId: null,
    attemptId: null,
    sequence,
    attributes: Object.fromEntries(span.attributes),
  }));
  spansOf.set(shown, spans);
  return spans;
}
