import * as Plot from "@observablehq/plot";
import { css, html, LitElement, type PropertyValues, type TemplateResult } from "lit";
import type { PlotCall, PlotValue } from "../notebook/plot-recorder.ts";
import { download } from "./download.ts";
import { base, buttons } from "./tokens.css.ts";

/** Options that could lead out of the page. */
const forbidden = new Set(["href", "target", "className"]);

/** Functions of Plot that draw, transform or measure; the others (`autoSpec`, classes) are not for cells. */
const isAllowed = (name: string): boolean =>
  /^[a-z][A-Za-z]*$/.test(name) &&
  Object.hasOwn(Plot, name) &&
  typeof Plot[name as keyof typeof Plot] === "function";

const isCall = (value: PlotValue): value is PlotCall =>
  typeof value === "object" && value !== null && "plot" in value && "arguments" in value;

/** Makes a recorded call with the page's own Plot. Throws where the cell asked for what Plot does not have. */
export function replay(value: PlotValue): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isCall(value)) {
    if (!isAllowed(value.plot)) throw new TypeError(`Plot has no function ${value.plot}.`);
    const call = Plot[value.plot as keyof typeof Plot] as (...given: unknown[]) => unknown;
    return call(...value.arguments.map(replay));
  }
  if (Array.isArray(value)) return value.map((entry: PlotValue) => replay(entry));
  if (value instanceof Date || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([key]) => !forbidden.has(key))
      .map(([key, entry]) => [key, replay(entry as PlotValue)]),
  );
}

/** `<fulgurite-plot>`: what a cell drew with Observable Plot. */
export class FulguritePlot extends LitElement {
  static override properties = { call: { attribute: false }, problem: { state: true } };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
      }
      figure {
        margin: 0;
      }
      svg {
        max-inline-size: 100%;
        overflow: visible;
      }
      .save {
        display: flex;
        justify-content: flex-end;
        opacity: 0;
      }
      :host(:hover) .save,
      .save:focus-within {
        opacity: 1;
      }
      p {
        margin: 0;
        color: var(--error);
        font-size: var(--size-small);
      }
    `,
  ];

  declare call: PlotCall | null;
  declare problem: string;

  constructor() {
    super();
    this.call = null;
    this.problem = "";
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (!changed.has("call") || !this.call) return;
    const host = this.renderRoot.querySelector("#plot")!;
    try {
      const drawn = this.#drawn(this.call);
      if (!(drawn instanceof Element)) throw new TypeError("It ends with no plot; call Plot.plot(…).");
      for (const svg of drawn instanceof SVGSVGElement ? [drawn] : drawn.querySelectorAll("svg")) {
        svg.setAttribute("role", "img");
        if (!svg.hasAttribute("aria-label")) svg.setAttribute("aria-label", "Plot");
      }
      // Plot names its marks on groups, which have no role that could carry a name.
      for (const group of drawn.querySelectorAll("g[aria-label]")) {
        group.setAttribute("data-mark", group.getAttribute("aria-label")!);
        group.removeAttribute("aria-label");
      }
      host.replaceChildren(drawn);
      this.problem = "";
    } catch (error) {
      host.replaceChildren();
      this.problem = `The plot could not be drawn: ${(error as Error).message}`;
    }
  }

  #drawn(call: PlotCall): unknown {
    const [options, ...rest] = call.arguments;
    const style = { background: "none", fontFamily: "inherit", fontSize: "12px", overflow: "visible" };
    const width = Math.min(this.clientWidth || 640, 1080);
    const own =
      typeof options === "object" && options !== null && !Array.isArray(options)
        ? { width, style, ...(options as object) }
        : options;
    return replay({
      plot: call.plot,
      arguments: call.plot === "plot" ? [own as PlotValue, ...rest] : call.arguments,
    });
  }

  async #save(kind: "svg" | "png"): Promise<void> {
    const svg = this.renderRoot.querySelector("svg");
    if (!svg) return;
    const { saveSvg, savePng } = await import("./save-picture.ts");
    if (kind === "svg") download(saveSvg(svg, svg.getAttribute("aria-label")!), "plot.svg", "image/svg+xml");
    else download(await savePng(svg), "plot.png", "image/png");
  }

  override render(): TemplateResult {
    return html`<figure id="plot"></figure>
      ${
        this.problem
          ? html`<p role="alert">${this.problem}</p>`
          : html`<div class="save">
              <button class="bare" @click=${() => void this.#save("svg")}>SVG</button>
              <button class="bare" @click=${() => void this.#save("png")}>PNG</button>
            </div>`
      }`;
  }
}

customElements.define("fulgurite-plot", FulguritePlot);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-plot": FulguritePlot;
  }
}
