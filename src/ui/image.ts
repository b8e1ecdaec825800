import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import type { ImageContent } from "../notebook/session-types.ts";
import { base } from "./tokens.css.ts";

/** `<fulgurite-image>`: a picture that a cell made. Drawn on a canvas: bytes of a file are only ever decoded as an image. */
export class FulguriteImage extends LitElement {
  static override properties = { alt: {}, image: { attribute: false }, problem: { state: true } };

  static override styles = [
    base,
    css`
      canvas {
        display: block;
        max-inline-size: 100%;
      }
      .small {
        image-rendering: pixelated;
        min-inline-size: min(100%, 256px);
      }
    `,
  ];

  declare alt: string;
  declare image: ImageContent | null;
  declare problem: boolean;

  constructor() {
    super();
    this.alt = "";
    this.image = null;
    this.problem = false;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("image") && this.image) void this.#draw(this.image);
  }

  async #draw(image: ImageContent): Promise<void> {
    const canvas = this.renderRoot.querySelector("canvas")!;
    try {
      const source =
        image.kind === "pixels"
          ? new ImageData(new Uint8ClampedArray(image.bytes), image.width, image.height)
          : new Blob([image.bytes as BlobPart]);
      const bitmap = await createImageBitmap(source);
      if (image !== this.image) return;
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      canvas.className = bitmap.width < 128 ? "small" : "";
      canvas.getContext("2d")!.drawImage(bitmap, 0, 0);
      bitmap.close();
      this.problem = false;
    } catch {
      this.problem = true;
    }
  }

  override render(): TemplateResult {
    return html`<canvas role="img" aria-label=${this.alt || "Image"} ?hidden=${this.problem}></canvas>
      ${this.problem ? html`<p role="alert">These bytes are no image that this browser can show.</p>` : ""}`;
  }
}

customElements.define("fulgurite-image", FulguriteImage);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-image": FulguriteImage;
  }
}
