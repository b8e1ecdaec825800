import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { Resources } from "../../store/lightning-records.ts";
import type { Run } from "../../store/records.ts";
import "../diff.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { formatDateTime } from "../format.ts";
import { base, buttons, fields } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import { FollowStore } from "./follow-store.ts";
import { jobTexts, setTexts, type ResourceText } from "./resource-texts.ts";
import type { StoreSource } from "./store-source.ts";

/** What is looked at: what the run was started with, or a set of resources by its id. */
const ofRun = "";

const asOf = ({ version, updateTime }: Resources): string =>
  `version ${version}, ${formatDateTime(updateTime)}`;

/**
 * `<fulgurite-resources>`: what a run was started with, and what differs from another run; or a set of resources by its
 * versions, and what differs between two of them.
 */
export class FulguriteResources extends LitElement {
  static override properties = {
    source: { attribute: false },
    run: { attribute: false },
    runs: { attribute: false },
    sets: { state: true },
    setId: { state: true },
    versions: { state: true },
    shown: { state: true },
    against: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    fields,
    errorNoteStyles,
    css`
      :host {
        display: block;
        font-size: var(--size-small);
        line-height: 20px;
      }
      .choices {
        display: flex;
        flex-wrap: wrap;
        gap: 8px 16px;
        padding-block: 16px 8px;
        color: var(--ink-quiet);
      }
      label {
        display: inline-flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 4px 8px;
        min-inline-size: 0;
        max-inline-size: 100%;
      }
      select {
        min-inline-size: 0;
        text-overflow: ellipsis;
      }
      p {
        margin: 0;
        color: var(--ink-quiet);
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
        white-space: pre-wrap;
        overflow-wrap: anywhere;
      }
      fulgurite-diff {
        border-block: 1px solid var(--hairline);
        padding-block: 8px;
      }
    `,
  ];

  declare source: StoreSource | null;
  declare run: Run | null;
  declare runs: readonly Run[];
  /** The latest version of each set. */
  declare sets: readonly Resources[];
  declare setId: string;
  /** Of the set, oldest first. */
  declare versions: readonly Resources[];
  /** Number of the version that is shown; null for the latest. */
  declare shown: number | null;
  /** Id of the run, or number of the version, to compare with; "" for none, null for the one before. */
  declare against: string | null;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.run = null;
    this.runs = [];
    this.sets = [];
    this.setId = ofRun;
    this.versions = [];
    this.shown = null;
    this.against = null;
    this.failure = null;
    new FollowStore(
      this,
      ({ kinds }) => kinds.includes("resources"),
      () => void this.#read(),
    );
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("setId")) {
      this.versions = [];
      this.shown = null;
      this.against = null;
    }
    if (changed.has("setId") || changed.has("source")) void this.#read();
  }

  async #read(): Promise<void> {
    const { source, setId } = this;
    if (!source) return;
    try {
      const [sets, versions] = await Promise.all([
        source.resources(null),
        setId === ofRun ? [] : source.resources(setId),
      ]);
      this.sets = sets;
      if (this.setId === setId) this.versions = versions;
      this.failure = null;
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  override render(): TemplateResult | typeof nothing {
    if (!this.run) return nothing;
    return html`<div class="choices">
        <label
          >Resources
          <select
            @change=${(event: Event) => {
              this.setId = (event.target as HTMLSelectElement).value;
            }}
          >
            <option value=${ofRun} ?selected=${this.setId === ofRun}>of the run: ${this.run.name}</option>
            ${this.sets.map(
              ({ id, version, resources }) =>
                html`<option value=${id} ?selected=${id === this.setId}>
                  ${Object.keys(resources).join(", ")}: ${id}, version ${version}
                </option>`,
            )}
          </select></label
        >
        ${this.setId === ofRun ? this.#runChoice() : this.#versionChoices()}
      </div>
      ${this.failure ? errorNote(this.failure) : nothing} ${this.#texts()}`;
  }

  #against(options: readonly (readonly [value: string, words: string])[], chosen: string): TemplateResult {
    return html`<label
      >Compared with
      <select
        @change=${(event: Event) => {
          this.against = (event.target as HTMLSelectElement).value;
        }}
      >
        <option value="" ?selected=${chosen === ""}>nothing</option>
        ${options.map(
          ([value, words]) => html`<option value=${value} ?selected=${value === chosen}>${words}</option>`,
        )}
      </select></label
    >`;
  }

  get #otherRuns(): readonly Run[] {
    const { run } = this;
    return this.runs.filter(({ id, kind }) => id !== run?.id && kind === run?.kind);
  }

  /** Id of the run to compare with. */
  get #otherRun(): string {
    return this.against ?? this.#otherRuns.find(({ id }) => id < (this.run?.id ?? ""))?.id ?? "";
  }

  #runChoice(): TemplateResult {
    const options = this.#otherRuns.map(
      ({ id, name, createdAt }) => [id, `${name}, ${formatDateTime(createdAt)}`] as const,
    );
    return this.#against(options, this.#otherRun);
  }

  get #version(): Resources | undefined {
    return this.versions.find(({ version }) => version === this.shown) ?? this.versions.at(-1);
  }

  get #otherVersion(): string {
    const earlier = this.versions.filter(({ version }) => version < (this.#version?.version ?? 0));
    return this.against ?? String(earlier.at(-1)?.version ?? "");
  }

  #versionChoices(): TemplateResult {
    const version = this.#version?.version;
    const newest = [...this.versions].reverse();
    const others = newest.filter((one) => one.version !== version);
    return html`<label
        >Version
        <select
          @change=${(event: Event) => {
            this.shown = Number((event.target as HTMLSelectElement).value);
            this.against = null;
          }}
        >
          ${newest.map(
            (one) =>
              html`<option value=${one.version} ?selected=${one.version === version}>${asOf(one)}</option>`,
          )}
        </select></label
      >
      ${this.#against(
        others.map((one) => [String(one.version), asOf(one)] as const),
        this.#otherVersion,
      )}
      ${
        newest.length < (version ?? 0)
          ? html`<p>Earlier versions were not kept; of weights the store has the last ones only.</p>`
          : nothing
      }`;
  }

  #texts(): TemplateResult {
    if (this.setId === ofRun) {
      const other = this.#otherRuns.find(({ id }) => id === this.#otherRun);
      return compared(this.run ? jobTexts(this.run) : [], other ? jobTexts(other) : null);
    }
    const version = this.#version;
    if (!version) return html`<p aria-busy="true">Reading…</p>`;
    const other = this.versions.find((one) => String(one.version) === this.#otherVersion);
    return compared(setTexts(version), other ? setTexts(other) : null);
  }
}

/** Each text, and what differs from the text of that name before. */
function compared(texts: readonly ResourceText[], before: readonly ResourceText[] | null): TemplateResult {
  const old = new Map((before ?? []).map(({ name, text }) => [name, text]));
  const gone = [...old.keys()].filter((name) => !texts.some((text) => text.name === name));
  if (texts.length === 0) return html`<p>Nothing was kept of what it was started with.</p>`;
  return html`${[...texts, ...gone.map((name) => ({ name, text: "" }))].map(({ name, text }) => {
    const older = old.get(name) ?? "";
    if (!before || older === text)
      return html`<h3>${name}${before ? html`<small>the same</small>` : nothing}</h3>
        <pre tabindex="0" role="region" aria-label=${name}>${text}</pre>`;
    const how = old.has(name) ? (gone.includes(name) ? "gone" : "changed") : "new";
    return html`<h3>${name}<small>${how}</small></h3>
      <fulgurite-diff .older=${older} .newer=${text} label=${`Difference of ${name}`}></fulgurite-diff>`;
  })}`;
}

customElements.define("fulgurite-resources", FulguriteResources);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-resources": FulguriteResources;
  }
}
