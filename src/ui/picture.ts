import { css, html, LitElement, type TemplateResult } from "lit";
import { base } from "./tokens.css.ts";

/**
 * `<fulgurite-picture>`: a picture in a text. One of another site is not loaded, for that would tell the site who reads
 * the notebook; its description stands in its place, with a link and what to do. So does that of one that is not there.
 * Inside a link the description is the link's text.
 */
export class FulguritePicture extends LitElement {
  static override properties = { src: {}, alt: {}, isMissing: { state: true } };

  static override styles = [
    base,
    css`
      :host {
        display: inline;
      }
      img {
        max-inline-size: 100%;
        border-radius: var(--radius);
      }
      .instead {
        display: block;
        margin-block: 8px;
        padding: 8px 16px;
        border-inline-start: 2px solid var(--hairline);
        background: var(--surface);
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
        overflow-wrap: anywhere;
      }
      .alt {
        display: block;
        color: var(--ink);
      }
    `,
  ];

  declare src: string;
  declare alt: string;
  declare isMissing: boolean;

  constructor() {
    super();
    this.src = "";
    this.alt = "";
    this.isMissing = false;
  }

  protected override willUpdate(changed: Map<PropertyKey, unknown>): void {
    if (changed.has("src")) this.isMissing = false;
  }

  override render(): TemplateResult {
    const { baseURI } = document;
    const url = URL.canParse(this.src, baseURI) ? new URL(this.src, baseURI) : null;
    const isRemote = url !== null && /^https?:$/.test(url.protocol) && url.origin !== location.origin;
    if (!isRemote && !this.isMissing) {
      return html`<img
        src=${this.src}
        alt=${this.alt}
        loading="lazy"
        @error=${() => {
          this.isMissing = true;
        }}
      />`;
    }
    if (this.closest("a")) return html`${this.alt || (url?.host ?? this.src)}`;
    return html`<span class="instead"
      ><span class="alt">${this.alt || "Picture"}</span>${
        isRemote
          ? html`Not loaded: a picture from ${url.host} would tell that site who reads this.
              <a href=${url.href} target="_blank" rel="noopener noreferrer">Open it there</a>; to show it
              here, write it into the text as a <code>data:</code> address.`
          : html`There is no picture at <code>${this.src.slice(0, 100)}</code>. Write it into the text as a
              <code>data:</code> address.`
      }</span
    >`;
  }
}

customElements.define("fulgurite-picture", FulguritePicture);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-picture": FulguritePicture;
  }
}
