import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../gpu/error.ts";
import type { Run } from "../store/records.ts";
import type { Job, PolicyConfig } from "../train/job.ts";
import type { ExportFormat } from "../worker/export-run.ts";
import { download } from "./download.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { packText } from "./share-link.ts";
import { base, buttons } from "./tokens.css.ts";
import { asError, type TrainerClient } from "./trainer-client.ts";

/** A run was made from a file; whoever shows runs shows that one. */
export class LoadedRunEvent extends Event {
  readonly runId: string;
  constructor(runId: string) {
    super("fulgurite-loaded-run");
    this.runId = runId;
  }
}

/**
 * `<fulgurite-run-files>`: what a run can be taken away as. A simulated one: its checkpoint as a safetensors file, which can
 * be loaded again, its policy as one ES module, and a link that holds every setting and the seed. A language policy's: its
 * weights, and its adapters apart. Dispatches "fulgurite-loaded-run".
 */
export class FulguriteRunFiles extends LitElement {
  static override properties = {
    record: { attribute: false },
    trainer: { attribute: false },
    link: { state: true },
    words: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    css`
      :host {
        display: block;
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 0 8px;
        margin-inline-start: -7px;
      }
      p {
        margin: 4px 0;
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
        overflow-wrap: anywhere;
      }
    `,
  ];

  declare record: Run | null;
  declare trainer: TrainerClient | null;
  /** A link that was asked for. */
  declare link: string;
  /** What was done last. */
  declare words: string;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.record = null;
    this.trainer = null;
    this.link = "";
    this.words = "";
    this.failure = null;
  }

  protected override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (!changed.has("record")) return;
    const before = changed.get("record") as Run | null | undefined;
    if (before?.id === this.record?.id) return;
    this.link = "";
    this.words = "";
    this.failure = null;
  }

  async #try(work: () => Promise<void>): Promise<void> {
    this.failure = null;
    this.words = "";
    try {
      await work();
    } catch (error) {
      this.failure = asError(error).toData();
    }
  }

  #save(format: ExportFormat): Promise<void> {
    return this.#try(async () => {
      const { record, trainer } = this;
      if (!record || !trainer) return;
      const { name, type, bytes } = await trainer.exportRun({ runId: record.id, format, numbers: null });
      download(bytes, name, type);
      this.words = `Saved as ${name}.`;
    });
  }

  #choose(): void {
    this.renderRoot.querySelector<HTMLInputElement>("input")?.click();
  }

  #load(input: HTMLInputElement): Promise<void> {
    const [file] = input.files ?? [];
    return this.#try(async () => {
      const { record, trainer } = this;
      if (!file || !record || !trainer) return;
      const bytes = new Uint8Array(await file.arrayBuffer());
      input.value = "";
      this.dispatchEvent(new LoadedRunEvent(await trainer.loadCheckpoint(record.id, bytes)));
    });
  }

  #share(): Promise<void> {
    return this.#try(async () => {
      const { record } = this;
      const job = record?.job as Job | undefined;
      if (!record || job?.kind !== "simulated") return;
      const { notebookOfRun } = await import("../notebook/run-notebook.ts");
      const engine = record.engine === "webgpu" || record.engine === "cpu" ? record.engine : job.engine;
      const page = new URL(location.href);
      page.hash = `code=${await packText(notebookOfRun(record.name, { ...job, engine }))}`;
      this.link = page.href;
      this.words = await navigator.clipboard.writeText(page.href).then(
        () => "Copied.",
        () => "",
      );
    });
  }

  /** Of a policy that writes text: its weights, and what learned beside them. */
  #languageFiles({ adapters, softPrompt }: PolicyConfig): TemplateResult {
    const { words, failure } = this;
    const apart = adapters !== undefined || softPrompt !== undefined;
    return html`<div class="row" role="group" aria-label="Files of this run">
        ${
          softPrompt
            ? nothing
            : html`<button
                class="bare"
                title=${
                  apart
                    ? "All weights with the adapters merged into them, as safetensors; policyFromFile begins with them"
                    : "All weights, network and tokens, as safetensors; policyFromFile begins with them"
                }
                @click=${() => this.#save("weights")}
              >
                Save weights
              </button>`
        }
        ${
          apart
            ? html`<button
                class="bare"
                title="What learned beside the frozen weights, as safetensors under PEFT's names"
                @click=${() => this.#save("adapters")}
              >
                Save ${adapters ? "adapters" : "soft prompt"}
              </button>`
            : nothing
        }
      </div>
      <p role="status" ?hidden=${words === ""}>${words}</p>
      ${failure ? errorNote(failure) : nothing}`;
  }

  override render(): TemplateResult | typeof nothing {
    if (!this.record) return nothing;
    const job = this.record.job as Job | null;
    if (job && job.kind !== "simulated") return this.#languageFiles(job.policy);
    if (this.record.kind !== "simulated") return nothing;
    const { link, words, failure } = this;
    return html`<div class="row" role="group" aria-label="Files of this run">
        <button
          class="bare"
          title="Weights, optimizer and environments, as safetensors"
          @click=${() => this.#save("checkpoint")}
        >
          Save checkpoint
        </button>
        <button class="bare" title="Goes on where a saved checkpoint was" @click=${this.#choose}>
          Load checkpoint
        </button>
        <input
          hidden
          type="file"
          accept=".safetensors"
          aria-label="Checkpoint file"
          @change=${(event: Event) => this.#load(event.target as HTMLInputElement)}
        />
        <button
          class="bare"
          title="One ES module with its weights, which runs anywhere"
          @click=${() => this.#save("policy")}
        >
          Export policy
        </button>
        ${
          // A page that is one file opens the notebook that it holds, and no link.
          customElements.get("fulgurite-reader")
            ? nothing
            : html`<button
                class="bare"
                title="A notebook with every setting and the seed, in a link"
                @click=${this.#share}
              >
                Link to this run
              </button>`
        }
      </div>
      <p role="status" ?hidden=${words === "" && link === ""}>
        ${link === "" ? nothing : html`<a href=${link} target="_blank" rel="noopener">A notebook that repeats this run</a>. `}
        ${words}
      </p>
      ${failure ? errorNote(failure) : nothing}`;
  }
}

customElements.define("fulgurite-run-files", FulguriteRunFiles);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-run-files": FulguriteRunFiles;
  }
}
