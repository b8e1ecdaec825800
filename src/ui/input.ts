import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { live } from "lit/directives/live.js";
import type { FormField, InputFile, InputSpec, InputValue } from "../notebook/input-spec.ts";
import { formatBytes } from "./format.ts";
import { base, buttons } from "./tokens.css.ts";

/** The person has set an input of a cell. */
export class InputEvent extends Event {
  readonly cell: string;
  readonly label: string;
  readonly value: InputValue;
  constructor(cell: string, label: string, value: InputValue) {
    super("fulgurite-input", { bubbles: true, composed: true });
    this.cell = cell;
    this.label = label;
    this.value = value;
  }
}

/** What the cell says is not taken while the person is still at it, this long after their last touch. */
const OWN_MS = 400;

/** `<fulgurite-input>`: one input of a cell, or a form of several. */
export class FulguriteInput extends LitElement {
  static override properties = {
    cell: {},
    label: {},
    input: { attribute: false },
    value: { attribute: false },
    shown: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        font-size: 0.9375rem;
      }
      .field {
        display: grid;
        grid-template-columns: minmax(96px, 180px) minmax(0, 1fr);
        align-items: center;
        gap: 4px 16px;
        min-block-size: 36px;
      }
      .field > :first-child {
        color: var(--ink-quiet);
        overflow-wrap: anywhere;
      }
      .slider {
        display: grid;
        grid-template-columns: minmax(0, 1fr) 88px;
        align-items: center;
        gap: 16px;
      }
      input[type="range"] {
        inline-size: 100%;
        accent-color: var(--accent);
      }
      input:not([type="range"], [type="checkbox"]),
      textarea,
      select {
        inline-size: 100%;
        min-block-size: 32px;
        padding: 5px 8px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
        background: var(--paper);
        color: var(--ink);
        font: inherit;
        font-variant-numeric: tabular-nums;
      }
      input[type="checkbox"] {
        inline-size: 18px;
        block-size: 18px;
        margin: 0;
        accent-color: var(--accent);
      }
      input[type="file"] {
        border: 0;
        padding-inline: 0;
      }
      small {
        grid-column: 2;
        color: var(--ink-quiet);
        font-size: var(--size-small);
      }
      form {
        display: grid;
        gap: 4px;
        padding: 12px 16px;
        border: 1px solid var(--hairline);
        border-radius: var(--radius);
      }
      form button {
        justify-self: start;
        margin-block-start: 8px;
      }
      @media (max-width: 479px) {
        .field {
          grid-template-columns: 1fr;
        }
        small {
          grid-column: 1;
        }
      }
    `,
  ];

  declare cell: string;
  declare label: string;
  declare input: InputSpec;
  /** As the cell last had it. */
  declare value: InputValue;
  /** As the person sees it. */
  declare shown: InputValue;
  #touched = 0;

  constructor() {
    super();
    this.cell = "";
    this.label = "";
    this.input = { kind: "toggle" };
    this.value = null;
    this.shown = null;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const isOwn = performance.now() - this.#touched < OWN_MS;
    // A form shows what is being filled in until it is sent.
    if (changed.has("input") || (changed.has("value") && !isOwn)) {
      if (this.input.kind !== "form" || !this.hasUpdated || this.#sent) this.shown = this.value;
    }
    if (changed.has("value")) this.#sent = false;
  }
  #sent = true;

  #set(value: InputValue): void {
    this.#touched = performance.now();
    this.shown = value;
    if (this.input.kind !== "form") this.#tell(value);
  }

  #tell(value: InputValue): void {
    this.dispatchEvent(new InputEvent(this.cell, this.label, value));
  }

  override render(): TemplateResult {
    const { input, label, shown } = this;
    if (input.kind === "form") return this.#form(input.fields);
    if (input.kind === "button") {
      return html`<button
        @click=${() => {
          this.#set(typeof shown === "number" ? shown + 1 : 1);
        }}
      >
        ${label}
      </button>`;
    }
    return field(label, input, shown, (value) => {
      this.#set(value);
    });
  }

  #form(fields: readonly FormField[]): TemplateResult {
    const values = Array.isArray(this.shown) ? (this.shown as readonly InputValue[]) : [];
    return html`<form
      aria-label=${this.label}
      @submit=${(event: Event) => {
        event.preventDefault();
        this.#sent = true;
        this.#tell(fields.map((one, i) => values[i] ?? one.value));
      }}
    >
      ${fields.map((one, i) =>
        field(one.label, one.input, values[i] ?? one.value, (value) => {
          this.#set(fields.map((other, j) => (j === i ? value : (values[j] ?? other.value))));
        }),
      )}
      <button class="primary">${this.label}</button>
    </form>`;
  }
}

type Set = (value: InputValue) => void;

function field(label: string, input: FormField["input"], value: InputValue, set: Set): TemplateResult {
  const target = (event: Event): HTMLInputElement => event.target as HTMLInputElement;
  switch (input.kind) {
    case "slider": {
      const move = (event: Event): void => {
        const number = target(event).valueAsNumber;
        if (Number.isFinite(number)) set(Math.min(input.max, Math.max(input.min, number)));
      };
      const { min, max, step } = input;
      return html`<label class="field"
        ><span>${label}</span>
        <span class="slider">
          <input
            type="range"
            min=${min}
            max=${max}
            step=${step}
            .value=${live(String(value))}
            @input=${move}
          />
          <input
            type="number"
            aria-label=${`${label}, number`}
            min=${min}
            max=${max}
            step="any"
            .value=${live(String(value))}
            @change=${move}
          /> </span
      ></label>`;
    }
    case "select":
      return html`<label class="field"
        ><span>${label}</span>
        <select
          @change=${(event: Event) => {
            set((event.target as HTMLSelectElement).selectedIndex);
          }}
        >
          ${input.options.map((option, i) => html`<option ?selected=${i === value}>${option}</option>`)}
        </select></label
      >`;
    case "toggle":
      return html`<label class="field"
        ><span>${label}</span
        ><input
          type="checkbox"
          .checked=${live(value === true)}
          @change=${(event: Event) => {
            set(target(event).checked);
          }}
      /></label>`;
    case "text":
      return html`<label class="field"
        ><span>${label}</span>${
          input.lines > 1
            ? html`<textarea
                rows=${input.lines}
                placeholder=${input.placeholder}
                .value=${live(String(value ?? ""))}
                @input=${(event: Event) => {
                  set(target(event).value);
                }}
              ></textarea>`
            : html`<input
                type="text"
                placeholder=${input.placeholder}
                .value=${live(String(value ?? ""))}
                @input=${(event: Event) => {
                  set(target(event).value);
                }}
              />`
        }</label
      >`;
    case "file":
      return html`<label class="field"
        ><span>${label}</span
        ><input
          type="file"
          accept=${input.accept}
          @change=${(event: Event) => {
            set(chosen(target(event)));
          }}
        />${isFile(value) ? html`<small>${value.name}, ${formatBytes(value.content.size)}</small>` : nothing}</label
      >`;
  }
}

const isFile = (value: InputValue): value is InputFile =>
  typeof value === "object" && value !== null && "content" in value;

function chosen({ files }: HTMLInputElement): InputFile | null {
  const file = files?.[0];
  return file ? { name: file.name, type: file.type, modified: file.lastModified, content: file } : null;
}

customElements.define("fulgurite-input", FulguriteInput);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-input": FulguriteInput;
  }
  interface HTMLElementEventMap {
    "fulgurite-input": InputEvent;
  }
}
