import { css, html, type TemplateResult } from "lit";
import type { Output } from "../notebook/session-types.ts";
import { formatCount, formatFigure } from "./format.ts";

type View<Name extends Output["view"]> = Extract<Output, { readonly view: Name }>;

export const agenticOutputStyles = css`
  .about {
    margin: 0;
    font-size: var(--size-small);
    line-height: 24px;
    color: var(--ink-quiet);
  }
  .about b {
    font-weight: 600;
    color: var(--ink);
  }
  .about code {
    font-family: var(--font-code);
    overflow-wrap: anywhere;
  }
  .components {
    display: grid;
    grid-template-columns: minmax(80px, max-content) minmax(0, 160px) auto;
    align-items: center;
    gap: 0 16px;
    margin: 0;
    font-size: var(--size-small);
    line-height: 24px;
  }
  .components dt {
    grid-column: 1;
  }
  .components dd {
    margin: 0;
    color: var(--ink-quiet);
    font-variant-numeric: tabular-nums;
  }
  .components i {
    display: block;
    block-size: 4px;
    border-radius: 2px;
    inline-size: calc(var(--weight) * 100%);
    min-inline-size: 2px;
    background: var(--series-0);
  }
  .components i.minus {
    background: var(--series-1);
  }
`;

/** An agent: what it is called, and where it runs. */
export const agentOutput = ({ name, lines }: View<"agent">): TemplateResult =>
  html`<p class="about">
    Agent <b>${name}</b>, ${lines === 1 ? "one line" : `${formatCount(lines)} lines`}. It runs sandboxed, one
    rollout a worker, and reaches nothing but the policy.
  </p>`;

/** A reward over whole rollouts: its components and what each weighs. */
export function compositeRewardOutput({ components }: View<"composite-reward">): TemplateResult {
  if (components.length === 1 && components[0]!.weight === 1) {
    return html`<p class="about">Scores a whole rollout when it has ended.</p>`;
  }
  const largest = Math.max(...components.map(({ weight }) => Math.abs(weight)));
  return html`<dl class="components" aria-label="Components of the reward and their weights">
    ${components.map(
      ({ name, weight }) =>
        html`<dt>${name}</dt>
          <dd aria-hidden="true">
            <i
              class=${weight < 0 ? "minus" : ""}
              style=${`--weight: ${largest > 0 ? Math.abs(weight) / largest : 0}`}
            ></i>
          </dd>
          <dd>weight ${weight < 0 ? `−${formatFigure(-weight)}` : formatFigure(weight)}</dd>`,
    )}
  </dl>`;
}

/** A transformer that a run will train: how large it is, and what it can read and write. */
export function policyOutput({ parameters, learns, shape, warmStart }: View<"policy">): TemplateResult {
  const { layers, width, heads, alphabet, words, pairs, model, maxLength } = shape;
  return html`<p class="about">
    A transformer of <b>${formatCount(parameters)} parameters</b>: ${layers}
    ${layers === 1 ? "layer" : "layers"} of width ${width} with ${heads} heads. It knows
    ${
      words
        ? html`${formatCount(words.words.length)} words, ${formatCount(words.answers)} of them to answer with,`
        : pairs
          ? html`any text, in bytes and ${formatCount(pairs.merges.length)} pairs of them,`
          : model
            ? html`a checkpoint's tokens`
            : html`the ${Array.from(alphabet).length} characters <code>${alphabet}</code>`
    }
    and conversations of up to ${formatCount(maxLength)} tokens. ${learnsWords(learns, parameters, shape)}
    ${
      warmStart === null
        ? startWords(shape.start)
        : html`It begins with ${formatCount(warmStart.steps)} steps on
          ${formatCount(warmStart.demonstrations)} demonstrations.`
    }
  </p>`;
}

/** What of it learns, where that is not everything. */
function learnsWords(learns: number, parameters: number, shape: View<"policy">["shape"]): string {
  if (learns === parameters) return "";
  const { adapters, softPrompt } = shape;
  const parts = [
    ...(adapters ? [`adapters of rank ${adapters.rank} on ${adapters.projections.join(", ")}`] : []),
    ...(softPrompt ? [`a soft prompt of ${formatCount(softPrompt.tokens)}`] : []),
  ];
  return `${formatCount(learns)} of the parameters learn: ${parts.join(" and ")}.`;
}

function startWords(start: View<"policy">["shape"]["start"]): TemplateResult {
  if (start === undefined) return html`It begins knowing nothing.`;
  if (typeof start !== "string") return html`It begins with what a run learned.`;
  return start === "a file"
    ? html`It begins with the weights of a file.`
    : html`It begins with the weights <code>${start}</code>, which ship with this page.`;
}
