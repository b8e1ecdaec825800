import { css, html, nothing, type TemplateResult } from "lit";
import type { Consent } from "../notebook/consent.ts";
import type { NotebookSession } from "../notebook/session-types.ts";
import { FulguriteDialog } from "./dialog.ts";
import { formatDate } from "./format.ts";
import type { FulguriteNotebook } from "./notebook.ts";

/** `<fulgurite-permissions>`: what the open notebook may do, what others were allowed before, and taking it back. */
export class FulguritePermissions extends FulguriteDialog {
  static override properties = { kept: { state: true }, revision: { state: true } };

  static override styles = [
    ...FulguriteDialog.styles,
    css`
      ul {
        margin: 0;
        padding: 0;
        list-style: none;
      }
      li {
        display: flex;
        align-items: center;
        justify-content: space-between;
        gap: 8px;
        padding-block: 4px;
        border-block-end: 1px solid var(--hairline);
      }
      li div {
        min-inline-size: 0;
        overflow-wrap: anywhere;
      }
      li small {
        display: block;
        color: var(--ink-quiet);
        font-size: var(--size-small);
        line-height: 20px;
      }
      code {
        font-family: var(--font-code);
        font-size: var(--size-code);
      }
    `,
  ];

  declare notebook: FulguriteNotebook;
  declare kept: readonly Consent[];
  declare revision: number;
  protected readonly heading = "What notebooks may do";
  #heard: NotebookSession | null = null;
  readonly #onChange = (): void => {
    this.revision++;
    void this.#load();
  };

  constructor() {
    super();
    this.kept = [];
    this.revision = 0;
  }

  override async show(): Promise<void> {
    await this.#load();
    this.#heard = this.notebook.session;
    this.#heard?.addEventListener("change", this.#onChange);
    await super.show();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#heard?.removeEventListener("change", this.#onChange);
  }

  async #load(): Promise<void> {
    this.kept = (await this.notebook.library?.consents()) ?? [];
  }

  async #forget(key: string): Promise<void> {
    await this.notebook.library?.forget(key);
    await this.#load();
  }

  protected override content(): TemplateResult {
    const { session } = this.notebook;
    const others = this.kept.filter(({ key }) => key !== session?.permissions.key);
    return html`${session ? this.#open(session) : nothing}
      <h3>Allowed before, in this browser</h3>
      ${
        others.length === 0
          ? html`<p class="quiet">No other notebook was.</p>`
          : html`<ul>
              ${others.map((consent) => this.#other(consent))}
            </ul>`
      }`;
  }

  #open(session: NotebookSession): TemplateResult {
    const { state, from, hosts } = session.permissions;
    const runs =
      from === null
        ? "It is yours or came with the page, and runs in the sandbox."
        : state === "asking"
          ? `It came from ${from}. Nothing of it runs.`
          : `It came from ${from}. It runs in the sandbox, because you said so.`;
    return html`<h3>${session.title}</h3>
      <p>${runs}</p>
      ${
        hosts.length === 0
          ? html`<p class="quiet">Its cells reach no host.</p>`
          : html`<ul>
              ${hosts.map(
                (host) =>
                  html`<li>
                    <div>Reaches <code>${host}</code></div>
                    <button aria-label=${`Take back ${host}`} @click=${() => void session.revoke(host)}>
                      Take back
                    </button>
                  </li>`,
              )}
            </ul>`
      }
      ${
        from !== null && state === "allowed"
          ? html`<p><button @click=${() => void session.withdraw()}>Let it run no more</button></p>`
          : nothing
      }`;
  }

  #other({ key, title, from, hosts, since }: Consent): TemplateResult {
    const day = formatDate(since);
    const what = [
      ...(from === null ? [] : [`from ${from}`]),
      ...(hosts.length === 0 ? [] : [`reaches ${hosts.join(", ")}`]),
      `since ${day}`,
    ];
    return html`<li>
      <div>${title}<small>${what.join(" · ")}</small></div>
      <button aria-label=${`Take back what ${title} may do`} @click=${() => this.#forget(key)}>
        Take back
      </button>
    </li>`;
  }
}

customElements.define("fulgurite-permissions", FulguritePermissions);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-permissions": FulguritePermissions;
  }
}
