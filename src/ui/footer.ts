import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import { formatBytes } from "./format.ts";
import { engineWord } from "./engine-word.ts";
import { base } from "./tokens.css.ts";
import { asError, type TrainerClient } from "./trainer-client.ts";

const USAGE_INTERVAL_MS = 15_000;

/** `<fulgurite-footer>`: which engine this machine offers, how much is stored, and where it stays. */
export class FulguriteFooter extends LitElement {
  static override properties = {
    trainer: { attribute: false },
    device: { state: true },
    usage: { state: true },
  };

  static override styles = [
    base,
    css`
      :host {
        display: block;
      }
      footer {
        max-inline-size: var(--column);
        margin: 96px auto 0;
        padding: 16px 16px 48px;
        border-block-start: 1px solid var(--hairline);
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
      }
      p {
        margin: 0;
        overflow-wrap: anywhere;
      }
      @media (min-width: 792px) {
        footer {
          padding-inline: 0;
        }
      }
    `,
  ];

  declare trainer: TrainerClient | null;
  declare device: string;
  declare usage: string;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    this.trainer = null;
    this.device = "Looking for a GPU…";
    this.usage = "";
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#timer = setInterval(() => void this.#measure(), USAGE_INTERVAL_MS);
    void this.#measure();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.#timer);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has("trainer") && this.trainer) void this.#ask(this.trainer);
  }

  async #ask(trainer: TrainerClient): Promise<void> {
    void this.#measure();
    try {
      const { engine, adapter } = await trainer.device();
      this.device = `This machine trains on ${engine === "cpu" ? "the " : ""}${engineWord(engine)}: ${adapter}.`;
    } catch (error) {
      this.device = asError(error).message;
    }
  }

  async #measure(): Promise<void> {
    if (document.hidden || !("storage" in navigator)) return;
    const keeps = await this.trainer?.keeps().catch(() => true);
    if (keeps === false) {
      this.usage = "This browser keeps nothing here: runs and edits go when the page is closed.";
      return;
    }
    const { usage } = await navigator.storage.estimate().catch(() => ({ usage: undefined }));
    if (usage !== undefined && usage > 0) this.usage = `${formatBytes(usage)} kept in this browser.`;
  }

  override render(): TemplateResult {
    return html`<footer>
      <p>${this.device} ${this.usage}</p>
      <p>
        Nothing leaves this tab: no server, no account, no tracking.
        <a href="#store">Store</a>
        <a href="#how-it-works">How it works</a>
      </p>
    </footer>`;
  }
}

customElements.define("fulgurite-footer", FulguriteFooter);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-footer": FulguriteFooter;
  }
}
