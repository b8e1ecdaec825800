import { css, html, type TemplateResult } from "lit";
import type { Tokenizer } from "../lm/tokenizer.ts";
import { formatFigure } from "./format.ts";

/** The log-probability at which a token has the scale's full colour, e^-3 = 0.05. */
const FULL_SURPRISE = 3;

export const tokenChipStyles = css`
  .chips {
    display: inline-flex;
    flex-wrap: wrap;
    gap: 4px;
  }
  .chip {
    display: inline-grid;
    place-content: center;
    min-inline-size: 24px;
    block-size: 26px;
    padding-inline: 4px;
    border: 1px solid transparent;
    border-radius: 4px;
    background: color-mix(in oklab, var(--surprise) calc(var(--share) * 100%), var(--surface));
    color: var(--ink);
    font: 500 0.875rem / 24px var(--font-code);
    white-space: pre;
  }
  .chip.special {
    font: 400 0.6875rem / 24px var(--font-text);
  }
  .better .chip {
    border: var(--outline, 1px) solid var(--better);
  }
  .worse .chip {
    border: var(--outline, 1px) dashed var(--worse);
  }
  .scale {
    display: flex;
    flex-wrap: wrap;
    align-items: center;
    gap: 4px 16px;
    margin: 0;
    font-size: var(--size-small);
    line-height: 24px;
    color: var(--ink-quiet);
  }
  .scale span {
    display: inline-flex;
    align-items: center;
    gap: 8px;
  }
  .scale .ramp {
    inline-size: 80px;
    block-size: 12px;
    border-radius: 3px;
    background: linear-gradient(to right in oklab, var(--surface), var(--surprise));
    border: 1px solid var(--hairline);
  }
  .scale .better,
  .scale .worse {
    inline-size: 18px;
    block-size: 18px;
    border-radius: 4px;
  }
  .scale .better {
    border: 2px solid var(--better);
  }
  .scale .worse {
    border: 2px dashed var(--worse);
  }
`;

/** How a token is written on the page; ids outside the alphabet by number. */
export function tokenText(id: number, tokenizer: Tokenizer | null): { text: string; special: boolean } {
  if (!tokenizer) return { text: String(id), special: false };
  if (id === tokenizer.eos) return { text: "end", special: true };
  if (id === tokenizer.bos) return { text: "begin", special: true };
  if (id === tokenizer.separator) return { text: "turn", special: true };
  if (id === tokenizer.pad) return { text: "pad", special: true };
  const text = tokenizer.decode([id]);
  if (text === "") return { text: String(id), special: true };
  return { text: text === " " ? "␣" : text === "\n" ? "⏎" : text, special: false };
}

/** What was sampled, token by token: the more surprising to the policy, the stronger the colour. */
export function tokenChips(
  ids: ArrayLike<number>,
  logProbabilities: ArrayLike<number>,
  tokenizer: Tokenizer | null,
): TemplateResult {
  return html`<span class="chips"
    >${Array.from(ids, (id, i) => {
      const logProbability = logProbabilities[i] ?? Number.NaN;
      const share = Math.max(0, Math.min(1, -logProbability / FULL_SURPRISE));
      const { text, special } = tokenText(id, tokenizer);
      const figures = `probability ${formatFigure(Math.exp(logProbability))}, log ${formatFigure(logProbability)}`;
      return html`<span
        class=${special ? "chip special" : "chip"}
        style=${`--share: ${Number.isFinite(share) ? share.toFixed(3) : 0}`}
        title=${`${text}: ${figures}`}
        >${text}</span
      >`;
    })}</span
  >`;
}

/** Class and outline of an answer's chips: solid for better than the siblings, dashed for worse, wider for more. */
export function advantageOutline(
  advantage: number | null,
  largest: number,
): { readonly name: string; readonly style: string } {
  if (advantage === null || advantage === 0 || largest === 0) return { name: "", style: "" };
  const width = 1 + 2 * Math.min(1, Math.abs(advantage) / largest);
  return { name: advantage > 0 ? "better" : "worse", style: `--outline: ${width.toFixed(1)}px` };
}

/** What colours and outlines mean. */
export const tokenScale = (withAdvantage: boolean): TemplateResult =>
  html`<p class="scale">
    <span>certain <i class="ramp"></i> surprising, 1 in 20 or rarer</span>
    ${
      withAdvantage
        ? html`<span><i class="better"></i>better than its siblings</span>
            <span><i class="worse"></i>worse</span>`
        : ""
    }
  </p>`;
