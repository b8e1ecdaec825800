import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { Run } from "../../store/records.ts";
import { base, buttons } from "../tokens.css.ts";
import { diffLines } from "./text-diff.ts";

interface RunResource {
  readonly name: string;
  readonly text: string;
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** What a run was started with, as texts that can be compared: code as it is, all else as JSON. */
export function resourcesOf(run: Run): RunResource[] {
  if (!isFields(run.job)) return [];
  return Object.entries(run.job)
    .filter(([name]) => !["kind", "name"].includes(name))
    .map(([name, value]) => {
      const code = isFields(value) ? (value["code"] ?? value["source"]) : undefined;
      if (typeof code !== "string") return { name, text: JSON.stringify(value, null, 2) };
      const rest = Object.entries(value as object).filter(([key]) => key !== "code" && key !== "source");
      const constants = rest.length > 0 ? `\n\n// ${JSON.stringify(Object.fromEntries(rest))}` : "";
      return { name, text: code + constants };
    });
}

/** `<fulgurite-resources>`: what a run was started with, and what differs from the run before it. */
export class FulguriteResources extends LitElement {
  static override properties = {
    run: { attribute: false },
    runs: { attribute: false },
    against: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        font-size: var(--size-small);
        line-height: 20px;
      }
      p {
        margin: 0;
        padding-block: 8px;
        color: var(--ink-quiet);
      }
      select {
        min-block-size: 32px;
        padding: 5px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
      }
      h3 {
        margin: 24px 0 8px;
        font: 650 0.9375rem / 24px var(--font-text);
      }
      h3 small {
        padding-inline-start: 8px;
        font: 400 var(--size-small) / 24px var(--font-text);
        color: var(--ink-quiet);
      }
      pre {
        margin: 0;
        padding: 8px 0;
        max-block-size: 420px;
        overflow: auto;
        border-block: 1px solid var(--hairline);
        font: var(--size-code) / 20px var(--font-code);
      }
      pre span {
        display: block;
        padding-inline: 20px 8px;
        text-indent: -12px;
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      .removed {
        background: var(--error-wash);
      }
      .added {
        background: var(--accent-wash);
      }
    `,
  ];

  declare run: Run | null;
  declare runs: readonly Run[];
  /** Id of the run to compare with; "" for none. */
  declare against: string | null;

  constructor() {
    super();
    this.run = null;
    this.runs = [];
    this.against = null;
  }

  override render(): TemplateResult | typeof nothing {
    const { run } = this;
    if (!run) return nothing;
    const others = this.runs.filter(({ id, kind }) => id !== run.id && kind === run.kind);
    const chosen = this.against ?? others.find(({ id }) => id < run.id)?.id ?? "";
    const other = others.find(({ id }) => id === chosen);
    const before = new Map(other ? resourcesOf(other).map(({ name, text }) => [name, text]) : []);
    return html`<p>
        <label
          >Compared with
          <select
            @change=${(event: Event) => {
              this.against = (event.target as HTMLSelectElement).value;
            }}
          >
            <option value="" ?selected=${!other}>nothing</option>
            ${others.map(
              ({ id, name, createdAt }) =>
                html`<option value=${id} ?selected=${id === chosen}>
                  ${name}, ${new Date(createdAt).toLocaleString()}
                </option>`,
            )}
          </select></label
        >
      </p>
      ${resourcesOf(run).map(({ name, text }) => {
        const old = other ? (before.get(name) ?? "") : text;
        const differs = old !== text;
        return html`<h3>
            ${name}${other ? html`<small>${differs ? "changed" : "the same"}</small>` : nothing}
          </h3>
          <pre tabindex="0" aria-label=${name}>
${diffLines(old, text).map(
              ({ kind, text: line }) =>
                html`<span class=${kind}
                  >${kind === "added" ? "+ " : kind === "removed" ? "− " : "  "}${line}</span
                >`,
            )}</pre>`;
      })}`;
  }
}

customElements.define("fulgurite-resources", FulguriteResources);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-resources": FulguriteResources;
  }
}
