import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import type { Environment } from "../env/environment.ts";
import { environmentByName } from "../env/registry.ts";
import { icon } from "./icons.ts";
import { cameraFor, paintShapes, type Palette } from "./scene-painter.ts";
import { base, buttons } from "./tokens.css.ts";

/** An episode to play: states of one environment in order. */
export interface Playback {
  readonly environment: string;
  /** [length x stateSize] */
  readonly states: Float32Array;
  /** Who acts, for the caption: "policy after 41,984 steps". */
  readonly caption: string;
}

/** Where an environment does not say how fast it is shown: as Gymnasium renders CartPole. */
const FRAME_RATE = 50;
const REST_AT_END_MS = 700;
/** A newer episode waits at least this long for the one on the stage. */
const MIN_SHOWN_MS = 1600;
const PALETTE_AGE_MS = 500;
/** Earlier states that shine through behind the present one: steps back and opacity. */
const echoes = [
  [15, 0.05],
  [10, 0.09],
  [5, 0.15],
] as const;

/**
 * `<fulgurite-stage>`: an agent acting in its environment, played on a canvas. Stands still while out of
 * sight; a person who asked for less motion gets a still picture and a slider.
 */
export class FulguriteStage extends LitElement {
  static override properties = {
    playback: { attribute: false },
    playing: { state: true },
    frame: { state: true },
  };

  static override styles = [
    base,
    buttons,
    css`
      :host {
        display: block;
        min-inline-size: 0;
      }
      .set {
        position: relative;
        block-size: var(--stage-height, 280px);
        background: var(--surface);
        border-radius: var(--radius);
        overflow: hidden;
      }
      canvas {
        display: block;
        inline-size: 100%;
        block-size: 100%;
      }
      .empty {
        position: absolute;
        inset: 0;
        display: grid;
        place-content: center;
        margin: 0;
        padding: 16px;
        text-align: center;
        font-size: var(--size-small);
        color: var(--ink-quiet);
      }
      .caption {
        display: flex;
        align-items: center;
        gap: 8px;
        min-block-size: 40px;
        padding-block-start: 4px;
        font-size: var(--size-small);
        line-height: 20px;
        color: var(--ink-quiet);
      }
      .caption span:first-of-type {
        flex: 1;
      }
      .count {
        font-variant-numeric: tabular-nums;
      }
      input[type="range"] {
        flex: 1;
        min-inline-size: 64px;
        accent-color: var(--accent);
      }
      i {
        display: none;
      }
      .ground {
        color: var(--ink-faint);
      }
      .body {
        color: color-mix(in oklab, var(--ink) 86%, var(--surface));
      }
      .accent {
        color: var(--accent);
      }
      .muted {
        color: var(--surface);
      }
      .good {
        color: var(--series-2);
      }
      .bad {
        color: var(--series-1);
      }
    `,
  ];

  declare playback: Playback | null;
  declare playing: boolean;
  /** Where the slider stands; only while not playing. */
  declare frame: number;

  #environment: Environment | null = null;
  #shown: Playback | null = null;
  #shownSince = 0;
  #position = 0;
  #restingUntil = 0;
  #lastTick = 0;
  #request = 0;
  #visible = false;
  #palette: Palette | null = null;
  #paletteAt = -Infinity;
  readonly #reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");
  readonly #intersection = new IntersectionObserver(([entry]) => {
    this.#visible = entry?.isIntersecting ?? false;
    this.#wake();
  });
  readonly #resize = new ResizeObserver(() => {
    this.#paint();
  });
  readonly #onTheme = (): void => {
    this.#paletteAt = -Infinity;
    this.#paint();
  };

  constructor() {
    super();
    this.playback = null;
    this.playing = !this.#reducedMotion.matches;
    this.frame = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#intersection.observe(this);
    this.#resize.observe(this);
    window.addEventListener("fulgurite-theme", this.#onTheme);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", this.#onTheme);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#intersection.disconnect();
    this.#resize.disconnect();
    window.removeEventListener("fulgurite-theme", this.#onTheme);
    matchMedia("(prefers-color-scheme: dark)").removeEventListener("change", this.#onTheme);
    cancelAnimationFrame(this.#request);
    this.#request = 0;
  }

  override render(): TemplateResult {
    const { playback, playing } = this;
    const length = this.#length(this.#shown ?? playback);
    const caption = (this.#shown ?? playback)?.caption ?? "";
    return html`
      <div
        class="set"
        role="img"
        aria-label=${playback ? `${this.#environment?.name ?? "An environment"}: ${caption}` : "No episode yet"}
      >
        <canvas></canvas>
        ${playback ? nothing : html`<p class="empty">The agent appears here with its first evaluation.</p>`}
        <i class="ground"></i><i class="body"></i><i class="accent"></i><i class="muted"></i
        ><i class="good"></i><i class="bad"></i>
      </div>
      <div class="caption" ?hidden=${!playback}>
        <button
          class="bare"
          title=${playing ? "Hold the picture" : "Play the episode"}
          aria-label=${playing ? "Hold the picture" : "Play the episode"}
          @click=${this.#toggle}
        >
          ${icon(playing ? "pause" : "run")}
        </button>
        ${
          playing
            ? html`<span>${caption}</span><span class="count"></span>`
            : html`<input
                  type="range"
                  min="0"
                  max=${Math.max(0, length - 1)}
                  .value=${String(this.frame)}
                  aria-label="Step of the episode"
                  aria-valuetext=${`step ${this.frame} of ${length}`}
                  @input=${this.#scrub}
                /><span class="count">step ${this.frame} of ${length}</span>`
        }
      </div>
    `;
  }

  protected override updated(changed: PropertyValues<this>): void {
    if (changed.has("playback")) this.#offer();
    // Also while out of sight, so that nothing empty scrolls in.
    this.#paint();
    this.#wake();
  }

  /** Takes the new episode at once where nothing plays, else when the present one has had its time. */
  #offer(): void {
    if (this.#shown === null || this.playback === null || !this.playing) this.#take();
  }

  #take(): void {
    const { playback } = this;
    this.#shown = playback;
    this.#shownSince = performance.now();
    this.#restingUntil = 0;
    this.#position = 0;
    try {
      this.#environment = playback === null ? null : environmentByName(playback.environment);
    } catch {
      // An environment that this build does not know cannot be drawn; its numbers still can.
      this.#environment = null;
    }
    // A still picture from the middle says more than a start state does.
    if (!this.playing) this.frame = Math.floor(this.#length(playback) / 2);
    this.requestUpdate();
  }

  /** Milliseconds a state is shown. */
  get #frameTime(): number {
    return 1000 / (this.#environment?.frameRate ?? FRAME_RATE);
  }

  #length(playback: Playback | null): number {
    const size = this.#environment?.stateFields.length ?? 0;
    return playback === null || size === 0 ? 0 : Math.floor(playback.states.length / size);
  }

  #toggle(): void {
    this.playing = !this.playing;
    if (this.playing) this.#position = this.frame;
    else this.frame = Math.floor(this.#position);
  }

  #scrub(event: Event): void {
    this.frame = Number((event.target as HTMLInputElement).value);
  }

  #wake(): void {
    const wanted = this.playing && this.#visible && this.#shown !== null;
    if (!wanted) {
      cancelAnimationFrame(this.#request);
      this.#request = 0;
    } else if (this.#request === 0) {
      this.#lastTick = performance.now();
      this.#request = requestAnimationFrame(this.#tick);
    }
  }

  readonly #tick = (now: number): void => {
    this.#request = requestAnimationFrame(this.#tick);
    // After a stall (hidden tab, busy main thread) the episode goes on where it was, not where it would be.
    const elapsed = Math.min(100, Math.max(0, now - this.#lastTick));
    this.#lastTick = now;
    const waiting = this.playback !== this.#shown;
    if (waiting && now - this.#shownSince > MIN_SHOWN_MS) this.#take();
    const last = this.#length(this.#shown) - 1;
    if (this.#restingUntil > 0) {
      if (now < this.#restingUntil) return;
      this.#take();
      return;
    }
    this.#position = Math.min(last, this.#position + elapsed / this.#frameTime);
    if (this.#position >= last) this.#restingUntil = now + REST_AT_END_MS;
    this.#paint();
    const count = this.renderRoot.querySelector(".count");
    if (count) count.textContent = `step ${Math.floor(this.#position) + 1} of ${last + 1}`;
  };

  #paint(): void {
    const canvas = this.renderRoot.querySelector("canvas");
    const context = canvas?.getContext("2d");
    if (!canvas || !context) return;
    const width = canvas.clientWidth;
    const height = canvas.clientHeight;
    const ratio = Math.min(2, devicePixelRatio || 1);
    const pixelWidth = Math.round(width * ratio);
    const pixelHeight = Math.round(height * ratio);
    if (canvas.width !== pixelWidth) canvas.width = pixelWidth;
    if (canvas.height !== pixelHeight) canvas.height = pixelHeight;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const environment = this.#environment;
    const states = this.#shown?.states;
    if (!environment || !states || width === 0) return;
    const size = environment.stateFields.length;
    const at = Math.max(0, Math.floor(this.playing ? this.#position : this.frame));
    const scene = environment.scene(states, at * size);
    const camera = cameraFor(scene, width, height);
    const palette = this.#colours();
    for (const [back, opacity] of echoes) {
      if (at < back) continue;
      const before = environment.scene(states, (at - back) * size);
      paintShapes(context, before, camera, palette, opacity, ({ role }) => role === "accent");
    }
    paintShapes(context, scene, camera, palette, 1, () => true);
  }

  /** Canvas knows no custom properties: hidden elements carry the colours of the roles. */
  #colours(): Palette {
    const now = performance.now();
    if (this.#palette && now - this.#paletteAt < PALETTE_AGE_MS) return this.#palette;
    const colour = (role: string): string =>
      getComputedStyle(this.renderRoot.querySelector(`i.${role}`)!).color;
    this.#paletteAt = now;
    this.#palette = {
      ground: colour("ground"),
      body: colour("body"),
      accent: colour("accent"),
      muted: colour("muted"),
      good: colour("good"),
      bad: colour("bad"),
    };
    return this.#palette;
  }
}

customElements.define("fulgurite-stage", FulguriteStage);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-stage": FulguriteStage;
  }
}
