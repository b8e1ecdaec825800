import { css } from "lit";

/** Text cells: type for an hour of reading. */
export const prose = css`
  .prose > :first-child {
    margin-block-start: 0;
  }
  .prose > h2:first-child {
    margin-block-start: 24px;
  }
  .prose > :last-child {
    margin-block-end: 0;
  }
  .prose h1 {
    margin: 24px 0 16px;
    font-size: clamp(1.75rem, 1.3rem + 2vw, 2.5rem);
    line-height: 1.15;
    font-weight: 680;
    letter-spacing: -0.025em;
    text-wrap: balance;
  }
  .prose h2 {
    margin: 40px 0 8px;
    font-size: 1.375rem;
    line-height: 32px;
    font-weight: 650;
    letter-spacing: -0.015em;
  }
  .prose h3 {
    margin: 24px 0 8px;
    font-size: 1.0625rem;
    line-height: 24px;
    font-weight: 650;
  }
  .prose p {
    margin: 0 0 16px;
    text-wrap: pretty;
    overflow-wrap: break-word;
  }
  .prose ul,
  .prose ol {
    margin: 0 0 16px;
    padding-inline-start: 24px;
  }
  .prose li {
    margin-block: 4px;
  }
  .prose li.task {
    list-style: none;
  }
  .prose li.task > input {
    inline-size: 16px;
    block-size: 16px;
    margin: 0 8px 0 -24px;
    vertical-align: -2px;
    accent-color: var(--accent);
  }
  .prose li.task > p {
    display: inline;
  }
  .prose code {
    font-family: var(--font-code);
    font-size: 0.875em;
    padding: 1px 4px;
    border-radius: 3px;
    background: var(--surface);
    overflow-wrap: anywhere;
  }
  .prose fulgurite-code-text {
    display: block;
    margin-block: 16px;
    padding: 12px 16px;
    border-radius: var(--radius);
    background: var(--surface);
  }
  .prose blockquote {
    margin: 16px 0;
    padding-inline-start: 16px;
    border-inline-start: 2px solid var(--hairline);
    color: var(--ink-quiet);
  }
  .prose hr {
    margin: 32px 0;
    border: 0;
    border-block-start: 1px solid var(--hairline);
  }
  .prose table {
    display: block;
    overflow-x: auto;
    margin-block-end: 16px;
    border-collapse: collapse;
    font-size: 0.9375rem;
  }
  .prose th,
  .prose td {
    padding: 6px 16px 6px 0;
    border-block-end: 1px solid var(--hairline);
    text-align: start;
  }
  .prose .center {
    text-align: center;
  }
  .prose .right {
    text-align: right;
  }
  .prose :is(th, td):last-child {
    padding-inline-end: 0;
  }
`;
