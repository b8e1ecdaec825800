import type { EditorView } from "@codemirror/view";
import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import "./code-text.ts";
import { LanguageHostEvent } from "./language/language-host.ts";
import { base, codeColours } from "./tokens.css.ts";

/** Text goes to the session this long after the last key; at once when the editor is left or runs. */
const EDIT_DELAY_MS = 350;

/** The text as it now is. */
export class CodeEditEvent extends Event {
  readonly source: string;
  constructor(source: string) {
    super("fulgurite-edit", { bubbles: true, composed: true });
    this.source = source;
  }
}

/** What a key in the editor asks of the cell. */
export class CodeKeyEvent extends Event {
  readonly action: "run" | "run-and-advance" | "leave" | "previous" | "next" | "undo" | "redo";
  constructor(action: CodeKeyEvent["action"]) {
    super("fulgurite-code-key", { bubbles: true, composed: true });
    this.action = action;
  }
}

/**
 * `<fulgurite-code>`: a cell's text. Still and coloured until it is clicked or `edit()` is called; then a
 * CodeMirror editor, loaded on first use, takes its place without moving anything.
 */
export class FulguriteCode extends LitElement {
  static override properties = {
    source: {},
    language: {},
    label: {},
    cell: {},
    readonly: { type: Boolean },
    state: { state: true },
  };

  static override styles = [
    base,
    codeColours,
    css`
      :host {
        display: block;
        min-inline-size: 0;
      }
      .still {
        cursor: text;
      }
    `,
  ];

  declare source: string;
  declare language: "ts" | "md";
  declare label: string;
  /** Id of the cell whose code this is, for the language service; "" for text that it does not know. */
  declare cell: string;
  declare readonly: boolean;
  declare state: "still" | "loading" | "editing" | "broken";

  #view: EditorView | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #unsent: string | null = null;

  constructor() {
    super();
    this.source = "";
    this.language = "ts";
    this.label = "Code";
    this.cell = "";
    this.readonly = false;
    this.state = "still";
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.flush();
    this.#view?.destroy();
    this.#view = null;
    this.state = "still";
  }

  /** Types and completion come a moment after the editor; without a notebook around the text they do not come. */
  async #addLanguage(): Promise<void> {
    if (this.cell === "") return;
    const ask = new LanguageHostEvent();
    this.dispatchEvent(ask);
    const { host } = ask;
    if (!host) return;
    try {
      const [{ addSupport }, { languageSupport }] = await Promise.all([
        import("./code-editor.ts"),
        import("./language/language-editor.ts"),
      ]);
      if (this.#view)
        addSupport(
          this.#view,
          languageSupport(() => this.cell, host),
        );
    } catch {
      // Offline before it was ever loaded: the editor does without.
    }
  }

  /** Characters before the caret; null while the text is still. */
  get caret(): number | null {
    return this.#view?.hasFocus ? this.#view.state.selection.main.head : null;
  }

  /** Turns into an editor and takes the focus; the caret goes to the point where it was clicked. */
  async edit(at?: { readonly x: number; readonly y: number }): Promise<void> {
    if (this.#view) {
      this.#view.focus();
      return;
    }
    if (this.state === "loading" || this.readonly) return;
    this.state = "loading";
    try {
      const { openEditor } = await import("./code-editor.ts");
      await this.updateComplete;
      if (!this.isConnected) return;
      this.#view = openEditor({
        parent: this.renderRoot.querySelector<HTMLElement>("#editor")!,
        root: this.renderRoot as ShadowRoot,
        source: this.source,
        language: this.language,
        label: () => this.label,
        onChange: (source) => {
          this.#changed(source);
        },
        onRun: (advance) => {
          this.#key(advance ? "run-and-advance" : "run");
        },
        onTravel: (action) => {
          this.#key(action);
        },
        onEscape: () => {
          this.#key("leave");
        },
        onLeave: (direction) => {
          this.#key(direction < 0 ? "previous" : "next");
        },
      });
      this.state = "editing";
      void this.#addLanguage();
      await this.updateComplete;
      const position = at ? this.#view.posAtCoords(at) : null;
      this.#view.dispatch({ selection: { anchor: position ?? this.#view.state.doc.length } });
      this.#view.focus();
    } catch {
      this.state = "broken";
    }
  }

  /** Types a text where the caret is. */
  insertText(text: string): void {
    this.#view?.dispatch(this.#view.state.replaceSelection(text));
  }

  /** Selects a stretch of the text, where it is being edited. */
  select(from: number, to: number): void {
    const length = this.#view?.state.doc.length ?? 0;
    this.#view?.dispatch({
      selection: { anchor: Math.min(from, length), head: Math.min(to, length) },
      scrollIntoView: true,
    });
  }

  /** Nothing stays selected where the person no longer is. */
  deselect(): void {
    const { main } = this.#view?.state.selection ?? {};
    if (main?.empty === false) this.#view?.dispatch({ selection: { anchor: main.head } });
  }

  /** Sends what was typed and not sent yet. */
  flush(): void {
    clearTimeout(this.#timer);
    const source = this.#unsent;
    this.#unsent = null;
    if (source === null) return;
    this.source = source;
    this.dispatchEvent(new CodeEditEvent(source));
  }

  #changed(source: string): void {
    clearTimeout(this.#timer);
    // Typed and taken back: what was to be sent is not the text any more.
    this.#unsent = source === this.source ? null : source;
    if (this.#unsent === null) return;
    this.#timer = setTimeout(() => {
      this.flush();
    }, EDIT_DELAY_MS);
  }

  #key(action: CodeKeyEvent["action"]): void {
    this.flush();
    this.dispatchEvent(new CodeKeyEvent(action));
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("label")) this.#view?.dispatch({});
    // The session's text changed under the editor (undo, reset): take it, unless newer keys are on their way.
    if (changed.has("source") && this.#view && this.#unsent === null) void this.#accept();
  }

  async #accept(): Promise<void> {
    const { replaceText } = await import("./code-editor.ts");
    if (this.#view && this.#unsent === null) replaceText(this.#view, this.source);
  }

  override render(): TemplateResult {
    const still = this.state !== "editing";
    return html`
      ${
        still
          ? html`<div
              class="still"
              @click=${(event: MouseEvent) => {
                if (getSelection()?.isCollapsed === false) return;
                void this.edit({ x: event.clientX, y: event.clientY });
              }}
            >
              <fulgurite-code-text .source=${this.source} .language=${this.language}></fulgurite-code-text>
            </div>`
          : nothing
      }
      <div
        id="editor"
        ?hidden=${still}
        @focusout=${() => {
          this.flush();
        }}
      ></div>
      ${
        this.state === "broken"
          ? html`<p role="alert">The editor did not load. Check the connection and click again.</p>`
          : nothing
      }
    `;
  }
}

customElements.define("fulgurite-code", FulguriteCode);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-code": FulguriteCode;
  }
  interface HTMLElementEventMap {
    "fulgurite-language-host": LanguageHostEvent;
    "fulgurite-edit": CodeEditEvent;
    "fulgurite-code-key": CodeKeyEvent;
  }
}
