import { css, html, nothing, type TemplateResult } from "lit";
import type { Tokenizer } from "../lm/tokenizer.ts";
import type { TokenColumns } from "../store/records.ts";
import { formatFigure } from "./format.ts";
import { tokenChips, tokenText } from "./token-chips.ts";
import { messagesOf, type TraceRow } from "./trace-tree.ts";

export const spanDetailsStyles = css`
  .details {
    display: grid;
    gap: 8px;
    padding: 0 0 16px 24px;
  }
  .messages {
    display: grid;
    grid-template-columns: minmax(72px, auto) minmax(0, 1fr);
    gap: 4px 16px;
    margin: 0;
  }
  .messages dt {
    color: var(--ink-quiet);
  }
  .messages dd {
    margin: 0;
    font-family: var(--font-code);
    white-space: pre-wrap;
    overflow-wrap: anywhere;
  }
  .messages dd.assistant {
    color: var(--accent-ink);
    font-weight: 550;
  }
  .token-scroll {
    max-block-size: 280px;
    overflow: auto;
  }
  .token-scroll table {
    inline-size: 100%;
    border-collapse: collapse;
    font-variant-numeric: tabular-nums;
  }
  .token-scroll caption {
    text-align: start;
    color: var(--ink-quiet);
  }
  .token-scroll :is(th, td) {
    padding: 2px 8px;
    text-align: end;
    font-weight: 400;
    border-block-end: 1px solid var(--hairline);
  }
  .token-scroll :is(th, td):first-child {
    padding-inline-start: 0;
    text-align: start;
  }
  .token-scroll thead th {
    position: sticky;
    inset-block-start: 0;
    background: var(--paper);
    color: var(--ink-quiet);
  }
`;

/** Attributes that the page shows in a form of their own. */
const shownElsewhere =
  /^(gen_ai\.(input|output)\.messages$|gen_ai\.(prompt|completion)\.\d|llm\.(input|output)_messages\.|agentlightning\.reward\.)/;

/** What a row of the trace opens: messages, tokens, and whatever else the span says. */
export function spanDetails({ span, kind }: TraceRow, tokenizer: Tokenizer | null): TemplateResult {
  const messages = messagesOf(span);
  const said = Object.entries(span.attributes).filter(
    ([name, value]) => !shownElsewhere.test(name) && value !== null && value !== "",
  );
  return html`<div class="details">
    ${
      messages.length > 0
        ? html`<dl class="messages">
            ${messages.map(
              ({ role, text }) =>
                html`<dt>${role}</dt>
                  <dd class=${role}>${text === "" ? "(nothing)" : text}</dd>`,
            )}
          </dl>`
        : nothing
    }
    ${span.tokens ? tokenTable(span.tokens, tokenizer) : nothing}
    ${
      said.length > 0
        ? html`<dl class="messages">
            ${said.map(
              ([name, value]) =>
                html`<dt>${name.replace(/^(gen_ai|agentlightning|fulgurite)\./, "")}</dt>
                  <dd>${typeof value === "number" ? formatFigure(value) : String(value)}</dd>`,
            )}
          </dl>`
        : kind === "rollout" && messages.length === 0
          ? html`<p>Nothing more is known of it.</p>`
          : nothing
    }
  </div>`;
}

/** "–" where it was not recorded. */
const logText = (value: number): string =>
  Number.isNaN(value) ? "–" : value === Number.NEGATIVE_INFINITY ? "−∞" : value.toFixed(3).replace("-", "−");

/** What was read as chips, what was written token by token. */
function tokenTable(tokens: TokenColumns, tokenizer: Tokenizer | null): TemplateResult {
  const { promptIds, responseIds, samplerLogProbabilities, logProbabilities } = tokens;
  // Tokens that were read have no probability; log 1 leaves them without colour.
  const read = new Float32Array(promptIds.length);
  return html`<dl class="messages">
      <dt>read</dt>
      <dd>${tokenChips(promptIds, read, tokenizer)}</dd>
      <dt>written</dt>
      <dd>${tokenChips(responseIds, logProbabilities, tokenizer)}</dd>
    </dl>
    <div class="token-scroll" tabindex="0" role="region" aria-label="Written tokens">
      <table>
        <thead>
          <tr>
            <th scope="col">token</th>
            <th scope="col">id</th>
            <th scope="col">probability</th>
            <th scope="col">log, sampler</th>
            <th scope="col">log, policy</th>
          </tr>
        </thead>
        <tbody>
          ${Array.from(
            responseIds,
            (id, i) =>
              html`<tr>
                <th scope="row">${tokenText(id, tokenizer).text}</th>
                <td>${id}</td>
                <td>${formatFigure(Math.exp(logProbabilities[i]!))}</td>
                <td>${logText(samplerLogProbabilities[i]!)}</td>
                <td>${logText(logProbabilities[i]!)}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
}
