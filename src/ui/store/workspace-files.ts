import { css, html, LitElement, nothing, type TemplateResult } from "lit";
import type { ErrorData } from "../../gpu/error.ts";
import type { OpenedWorkspace } from "../../store/workspace-open.ts";
import { download } from "../download.ts";
import { errorNote, errorNoteStyles } from "../error-note.ts";
import { counted, formatBytes, formatCount } from "../format.ts";
import { base, buttons } from "../tokens.css.ts";
import { asError } from "../trainer-client.ts";
import type { StoreSource } from "./store-source.ts";

/** How names of workspace files end. */
export const workspaceEnding = ".fulgurite";

/** `<fulgurite-workspace-files>`: everything that is kept as one file, and such a file opened again. */
export class FulguriteWorkspaceFiles extends LitElement {
  static override properties = {
    source: { attribute: false },
    busy: { state: true },
    words: { state: true },
    failure: { state: true },
  };

  static override styles = [
    base,
    buttons,
    errorNoteStyles,
    css`
      .row {
        display: flex;
        flex-wrap: wrap;
        gap: 8px;
        padding-block: 4px;
      }
      p {
        margin: 0;
        padding-block: 4px;
        color: var(--ink-quiet);
      }
    `,
  ];

  declare source: StoreSource | null;
  declare busy: boolean;
  /** What was done last. */
  declare words: string;
  declare failure: ErrorData | null;

  constructor() {
    super();
    this.source = null;
    this.busy = false;
    this.words = "";
    this.failure = null;
  }

  async #try(work: (source: StoreSource) => Promise<string>): Promise<void> {
    if (!this.source) return;
    this.busy = true;
    this.failure = null;
    this.words = "";
    try {
      this.words = await work(this.source);
    } catch (error) {
      this.failure = asError(error).toData();
    } finally {
      this.busy = false;
    }
  }

  #save(): Promise<void> {
    return this.#try(async (source) => {
      const file = await source.saveWorkspace();
      const name = `workspace-${new Date().toISOString().slice(0, 10)}${workspaceEnding}`;
      download(file, name, file.type);
      return `Saved ${formatBytes(file.size)} as ${name}.`;
    });
  }

  #open(input: HTMLInputElement): Promise<void> {
    return this.#try(async (source) => {
      const [file] = input.files ?? [];
      if (!file) return "";
      try {
        return openedWords(await source.openWorkspace(file));
      } finally {
        input.value = "";
      }
    });
  }

  override render(): TemplateResult {
    const { busy } = this;
    return html`<p>
        One file holds all runs, rollouts, traces, resources and checkpoints. Opened elsewhere, what is there
        already stays as it is.
      </p>
      <div class="row">
        <button ?disabled=${busy} @click=${this.#save}>
          ${busy ? "Working…" : "Save everything to a file"}
        </button>
        <button
          ?disabled=${busy}
          @click=${() => {
            this.renderRoot.querySelector("input")?.click();
          }}
        >
          Open a saved workspace…
        </button>
        <input
          hidden
          type="file"
          accept=${workspaceEnding}
          aria-label="Saved workspace"
          @change=${(event: Event) => this.#open(event.target as HTMLInputElement)}
        />
      </div>
      ${this.failure ? errorNote(this.failure) : nothing}
      <p role="status">${this.words}</p>`;
  }
}

/** What an opening brought. */
export function openedWords({ runs, kept }: OpenedWorkspace): string {
  const taken = `Opened ${counted(runs.length, "run")}`;
  return kept.length === 0
    ? `${taken}.`
    : `${taken}; ${kept.length === 1 ? "1 was here already and stays as it is" : `${formatCount(kept.length)} were here already and stay as they are`}.`;
}

customElements.define("fulgurite-workspace-files", FulguriteWorkspaceFiles);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-workspace-files": FulguriteWorkspaceFiles;
  }
}
