import { html, svg, type SVGTemplateResult, type TemplateResult } from "lit";

/** The one icon set: 16 px, drawn with 1.5 px strokes in the text's colour. Decorative: label the button. */
const paths = {
  run: svg`<path d="M5 3.2v9.6L12.6 8z" fill="currentColor" stroke-width="1.2" />`,
  pause: svg`<path d="M5.5 3.5v9M10.5 3.5v9" stroke-width="2.2" />`,
  step: svg`<path d="M4 3.5v9L10 8z" fill="currentColor" stroke-width="1.2" /><path d="M12.2 3.5v9" stroke-width="2" />`,
  stop: svg`<rect x="4" y="4" width="8" height="8" rx="1" fill="currentColor" stroke-width="1" />`,
  chevron: svg`<path d="m6 4 4 4-4 4" />`,
  sun: svg`<circle cx="8" cy="8" r="2.8" /><path d="M8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />`,
  moon: svg`<path d="M13.2 9.6A5.6 5.6 0 0 1 6.4 2.8a5.6 5.6 0 1 0 6.8 6.8z" />`,
  system: svg`<circle cx="8" cy="8" r="5.5" /><path d="M8 2.5v11A5.5 5.5 0 0 0 8 2.5z" fill="currentColor" stroke="none" />`,
  keyboard: svg`<rect x="1.5" y="4" width="13" height="8.5" rx="1.5" /><path d="M4.2 6.8h.1M6.7 6.8h.1M9.2 6.8h.1M11.7 6.8h.1M5.5 9.8h5" />`,
  close: svg`<path d="m4 4 8 8M12 4l-8 8" />`,
  undo: svg`<path d="M6 3 3 6l3 3" /><path d="M3 6h6.2a3.6 3.6 0 0 1 0 7.2H6" />`,
  redo: svg`<path d="m10 3 3 3-3 3" /><path d="M13 6H6.8a3.6 3.6 0 0 0 0 7.2H10" />`,
  plus: svg`<path d="M8 3v10M3 8h10" />`,
  more: svg`<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" stroke-width="2.20" />`,
  share: svg`<path d="M8 10V2.500M5 5l3-2.700L11 5" /><path d="M3 8.500V13h10V8.50" />`,
  search: svg`<circle cx="7" cy="7" r="4.20" /><path d="m10.200 10.200 3.300 3.30" />`,
  down: svg`<path d="m4 6 4 4 4-4" />`,
  star: svg`<path d="m8 2 1.800 3.800 4.200.5-3.100 2.900.8 4.100L8 11.300 4.300 13.300l.8-4.100L2 6.300l4.200-.5z" />`,
  starred: svg`<path d="m8 2 1.800 3.800 4.200.5-3.100 2.900.8 4.100L8 11.300 4.300 13.300l.8-4.100L2 6.300l4.200-.5z" fill="currentColor" />`,
  book: svg`<path d="M3 2.800h8.500A1.500 1.500 0 0 1 13 4.300v8.900H4.500A1.500 1.500 0 0 1 3 11.700z" /><path d="M3 11.700a1.500 1.500 0 0 1 1.500-1.500H13" />`,
  table: svg`<rect x="2" y="3" width="12" height="10" rx="1" /><path d="M2 6.5h12M7 6.5V13" />`,
  curve: svg`<path d="M2.5 2.5v11h11" /><path d="M4.5 11c2.5 0 2.8-6 8.5-6.5" />`,
} satisfies Record<string, SVGTemplateResult>;

export type IconName = keyof typeof paths;

export const icon = (name: IconName): TemplateResult =>
  html`<svg class="icon" viewBox="0 0 16 16" aria-hidden="true">${paths[name]}</svg>`;

/** The product's mark: lightning with a facet, turned to glass. */
export const mark = (): TemplateResult =>
  html`<svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
    <path d="M14 1.5 4.5 13.4h6L9 22.5l10.5-12.9h-6.3z" fill="var(--accent)" />
    <path d="M14 1.5 4.5 13.4h6l2.7-3.8z" fill="var(--paper)" fill-opacity="0.28" />
  </svg>`;
