import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { NotebookRequests } from "../notebook/requests.ts";
import type { NotebookSession } from "../notebook/session-types.ts";
import { base, buttons } from "./tokens.css.ts";

/**
 * `<fulgurite-consent>`: above a notebook from elsewhere, before anything of it runs: where it came from, what it
 * asks for, and the person's yes. Above any notebook: a host that a cell was refused.
 */
export class FulguriteConsent extends LitElement {
  static override properties = {
    session: { attribute: false },
    revision: { type: Number },
    requests: { state: true },
    chosen: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        inline-size: min(var(--column), 100% - 32px);
        margin: 12px auto 0;
        font-size: 0.9375rem;
        line-height: 24px;
      }
      section {
        padding: 16px 20px;
        border: 1px solid var(--hairline);
        border-inline-start: 3px solid var(--stale);
        border-radius: var(--radius);
        background: var(--surface);
      }
      h2 {
        margin: 0 0 4px;
        font-size: 1rem;
        font-weight: 650;
        overflow-wrap: anywhere;
      }
      p {
        margin: 0 0 8px;
      }
      ul {
        margin: 0 0 12px;
        padding: 0;
        list-style: none;
      }
      label {
        display: flex;
        align-items: center;
        gap: 8px;
      }
      input {
        inline-size: 16px;
        block-size: 16px;
        accent-color: var(--accent);
      }
      code {
        font-family: var(--font-code);
        font-size: var(--size-code);
      }
      .row {
        display: flex;
        flex-wrap: wrap;
        align-items: center;
        gap: 12px;
      }
      small {
        color: var(--ink-quiet);
        font-size: var(--size-small);
      }
    `,
  ];

  declare session: NotebookSession;
  /** Of the notebook: its permissions are read anew. */
  declare revision: number;
  declare requests: NotebookRequests | null;
  /** Hosts that the person leaves ticked. */
  declare chosen: ReadonlySet<string>;

  constructor() {
    super();
    this.revision = 0;
    this.requests = null;
    this.chosen = new Set();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.session.removeEventListener("asking", this.#show);
  }

  /** Something was to be run, and is not before the question is answered. */
  readonly #show = (): void => {
    this.scrollIntoView({ block: "center" });
    this.renderRoot.querySelector<HTMLElement>("button.primary")?.focus({ preventScroll: true });
  };

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("session")) return;
    (changed.get("session") as NotebookSession | undefined)?.removeEventListener("asking", this.#show);
    this.session.addEventListener("asking", this.#show);
    this.requests = null;
    const { session } = this;
    void session.requests().then((requests) => {
      if (session !== this.session) return;
      this.requests = requests;
      this.chosen = new Set();
    });
  }

  async #allow(): Promise<void> {
    await this.session.allow([...this.chosen]);
    await this.session.runEager();
  }

  override render(): TemplateResult | typeof nothing {
    const { state, from, notes, refused } = this.session.permissions;
    if (state === "asking") return this.#asking(from ?? "elsewhere", notes);
    return refused.length === 0 ? nothing : this.#refused(refused);
  }

  #asking(from: string, notes: readonly string[]): TemplateResult {
    const { requests } = this;
    const hosts = requests?.hosts ?? [];
    return html`<section aria-label="May this notebook run?">
      <h2>This notebook came from ${from}.</h2>
      <p>
        Nothing of it has run. Read it first; run, its cells work in a sandbox: they see none of your other
        notebooks, no files, no
        cookies${hosts.length > 0 ? ", and only those hosts that you tick" : ", and no network"}.
      </p>
      ${notes.length === 0 ? nothing : html`<p>${notes.join(" ")}</p>`}
      ${
        hosts.length === 0
          ? nothing
          : html`<p>Its code names these hosts:</p>
              <ul>
                ${hosts.map(
                  (host) =>
                    html`<li>
                      <label
                        ><input
                          type="checkbox"
                          .checked=${this.chosen.has(host)}
                          @change=${(event: Event) => {
                            const next = new Set(this.chosen);
                            if ((event.target as HTMLInputElement).checked) next.add(host);
                            else next.delete(host);
                            this.chosen = next;
                          }}
                        /><code>${host}</code></label
                      >
                    </li>`,
                )}
              </ul>`
      }
      <div class="row">
        <button class="primary" ?disabled=${requests === null} @click=${() => void this.#allow()}>
          Run this notebook
        </button>
        <small
          >${
            requests && requests.trains.length > 0
              ? `It trains in ${requests.trains.join(", ")}, when you say so.`
              : "Remembered for this very text."
          }</small
        >
      </div>
    </section>`;
  }

  #refused(hosts: readonly string[]): TemplateResult {
    return html`<section aria-label="Refused hosts">
      <p>A cell tried to reach a host that it may not reach.</p>
      <div class="row">
        ${hosts.map(
          (host) =>
            html`<button @click=${() => void this.session.grant(host)}>Allow <code>${host}</code></button>`,
        )}
      </div>
    </section>`;
  }
}

customElements.define("fulgurite-consent", FulguriteConsent);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-consent": FulguriteConsent;
  }
}
