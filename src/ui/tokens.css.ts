import { css, unsafeCSS } from "lit";

/**
 * Every design token of the page, as custom properties of `:root`; elements inherit them through their shadow
 * roots. Colours are `light-dark()` pairs, lengths multiples of 8 px.
 */
export const tokens = css`
  :root {
    color-scheme: light dark;

    --paper: light-dark(oklch(0.995 0.002 285), oklch(0.175 0.012 285));
    --surface: light-dark(oklch(0.972 0.005 285), oklch(0.208 0.014 285));
    --raised: light-dark(oklch(1 0 0), oklch(0.235 0.015 285));
    --hairline: light-dark(oklch(0.905 0.008 285), oklch(0.305 0.016 285));
    --ink: light-dark(oklch(0.235 0.02 285), oklch(0.93 0.006 285));
    --ink-quiet: light-dark(oklch(0.49 0.018 285), oklch(0.715 0.014 285));
    --ink-faint: light-dark(oklch(0.72 0.014 285), oklch(0.48 0.016 285));

    --accent: oklch(0.6 0.2 285);
    --accent-fill: light-dark(oklch(0.53 0.23 285), oklch(0.56 0.21 285));
    --accent-fill-hover: light-dark(oklch(0.47 0.23 285), oklch(0.6 0.21 285));
    --accent-ink: light-dark(oklch(0.5 0.22 285), oklch(0.78 0.13 288));
    --accent-wash: light-dark(oklch(0.96 0.022 290), oklch(0.27 0.06 285));
    --on-accent: oklch(1 0 0);

    --stale: light-dark(oklch(0.53 0.115 68), oklch(0.82 0.13 78));
    --error: light-dark(oklch(0.53 0.2 27), oklch(0.75 0.14 25));
    --error-wash: light-dark(oklch(0.97 0.015 27), oklch(0.222 0.028 25));
    --passed: light-dark(oklch(0.5 0.13 150), oklch(0.78 0.15 150));

    /* Curves: told apart in every common colour deficiency, by lightness as well as by hue. */
    --series-0: light-dark(oklch(0.55 0.23 285), oklch(0.72 0.17 288));
    --series-1: light-dark(oklch(0.62 0.15 50), oklch(0.8 0.13 70));
    --series-2: light-dark(oklch(0.52 0.1 190), oklch(0.82 0.1 185));
    --series-3: light-dark(oklch(0.42 0.06 260), oklch(0.7 0.04 260));
    --series-4: light-dark(oklch(0.64 0.12 350), oklch(0.76 0.12 350));

    /* Tokens: how surprising one was; how much better or worse than its siblings an answer. */
    --surprise: light-dark(oklch(0.8 0.135 65), oklch(0.5 0.115 55));
    --better: light-dark(oklch(0.55 0.23 285), oklch(0.72 0.17 288));
    --worse: light-dark(oklch(0.5 0.03 285), oklch(0.68 0.02 285));

    --token-keyword: light-dark(oklch(0.47 0.2 300), oklch(0.78 0.13 300));
    --token-string: light-dark(oklch(0.47 0.1 160), oklch(0.82 0.11 155));
    --token-number: light-dark(oklch(0.5 0.13 45), oklch(0.82 0.11 65));
    --token-comment: light-dark(oklch(0.53 0.02 285), oklch(0.66 0.02 285));
    --token-definition: light-dark(oklch(0.42 0.14 255), oklch(0.81 0.09 245));
    --token-type: light-dark(oklch(0.45 0.09 205), oklch(0.82 0.09 200));

    --font-text: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
    --font-code: ui-monospace, "SF Mono", "Cascadia Code", Menlo, Consolas, "DejaVu Sans Mono", monospace;
    --size-text: 1.0625rem;
    --size-small: 0.8125rem;
    --size-code: 0.84375rem;
    --line-text: 1.65;
    --line-code: 1.6;

    --unit: 8px;
    --column: 760px;
    --wide: 1080px;
    --radius: 6px;
  }

  html {
    background: var(--paper);
    color: var(--ink);
    font: 400 var(--size-text) / var(--line-text) var(--font-text);
    -webkit-text-size-adjust: 100%;
    scroll-padding-block: 72px 24px;
  }

  body {
    margin: 0;
  }
`;

/** Boxes, focus ring and hidden text: the first sheet of every element. */
export const base = css`
  *,
  *::before,
  *::after {
    box-sizing: border-box;
  }

  [hidden] {
    display: none !important;
  }

  :focus-visible {
    outline: 2px solid var(--accent);
    outline-offset: 2px;
    border-radius: 3px;
  }

  a {
    color: var(--accent-ink);
    text-underline-offset: 0.2em;
    text-decoration-thickness: 1px;
  }

  .visually-hidden {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    margin: -1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }

  svg.icon {
    inline-size: 16px;
    block-size: 16px;
    flex: none;
    fill: none;
    stroke: currentColor;
    stroke-width: 1.5;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
`;

/** Buttons: quiet by default, `.primary` once a view, `.bare` for icons in a row. */
export const buttons = css`
  button,
  select,
  ::file-selector-button {
    font: 500 var(--size-small) / 16px var(--font-text);
    color: var(--ink);
    cursor: pointer;
  }

  ::file-selector-button {
    margin-inline-end: 12px;
  }

  button,
  ::file-selector-button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 6px;
    min-block-size: 32px;
    padding: 7px 12px;
    border: 1px solid var(--hairline);
    border-radius: var(--radius);
    background: none;
    white-space: nowrap;
  }

  button:hover,
  ::file-selector-button:hover {
    border-color: var(--ink-faint);
    background: var(--surface);
  }

  button.primary {
    border-color: transparent;
    background: var(--accent-fill);
    color: var(--on-accent);
  }

  button.primary:hover {
    background: var(--accent-fill-hover);
  }

  button.bare {
    border-color: transparent;
    padding: 7px;
    color: var(--ink-quiet);
  }

  button.bare:hover {
    color: var(--ink);
    background: var(--surface);
  }

  button:disabled {
    opacity: 0.45;
    cursor: default;
  }

  @media (pointer: coarse) {
    button {
      min-block-size: 40px;
      min-inline-size: 40px;
    }
  }
`;

/** Choices and fields that stand in a row with buttons. */
export const fields = css`
  select,
  input:not([type="checkbox"]) {
    max-inline-size: 100%;
    min-block-size: 32px;
    padding: 5px 8px;
    border: 1px solid var(--hairline);
    border-radius: var(--radius);
    background: var(--paper);
    color: var(--ink);
  }

  input {
    font: 400 var(--size-small) / 20px var(--font-text);
    accent-color: var(--accent);
  }
`;

/** Colours of code, for the still text and the editor alike (Lezer's class highlighter). */
export const codeColours = css`
  .tok-keyword,
  .tok-bool {
    color: var(--token-keyword);
  }
  .tok-string,
  .tok-string2 {
    color: var(--token-string);
  }
  .tok-number {
    color: var(--token-number);
  }
  .tok-comment {
    color: var(--token-comment);
    font-style: italic;
  }
  .tok-variableName.tok-definition {
    color: var(--token-definition);
  }
  .tok-typeName,
  .tok-className,
  .tok-namespace {
    color: var(--token-type);
  }
  .tok-operator,
  .tok-punctuation {
    color: var(--ink-quiet);
  }
`;

/** What a container query compares with, for a `css` template. */
export const narrow = unsafeCSS("640px");
