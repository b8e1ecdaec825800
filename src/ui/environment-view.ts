import { css, html, LitElement, nothing, type PropertyValues, type TemplateResult } from "lit";
import { actionSize, actionSpace, type Action, type Environment } from "../env/environment.ts";
import { environmentByName } from "../env/registry.ts";
import type { ErrorData } from "../gpu/error.ts";
import { checkedWhere } from "../notebook/gpu-words.ts";
import { random4 } from "../kernels/philox.ts";
import type { GpuVerdict } from "../train/check-definition.ts";
import { errorNote, errorNoteStyles } from "./error-note.ts";
import { formatCount, formatFigure } from "./format.ts";
import "./stage.ts";
import type { Playback } from "./stage.ts";
import { base } from "./tokens.css.ts";
import { asError } from "./trainer-client.ts";

const PREVIEW_STEPS = 400;
const PREVIEW_SEED = 7;
/** Of its own: a preview must not use up, or repeat, numbers that training draws. */
const PREVIEW_STREAM = 0x70726576;

/** `<fulgurite-environment name="CartPole-v1">`: an environment, with an agent that acts at random. */
export class FulguriteEnvironment extends LitElement {
  static override properties = { name: {}, gpu: { attribute: false }, error: { state: true } };

  static override styles = [
    base,
    errorNoteStyles,
    css`
      :host {
        display: block;
        --stage-height: 176px;
      }
      p {
        margin: 0;
        font-size: var(--size-small);
        line-height: 24px;
        color: var(--ink-quiet);
      }
    `,
  ];

  declare name: string;
  /** What the GPU says of it; null until it was asked, and for what ships with us. */
  declare gpu: GpuVerdict | null;
  declare error: ErrorData | null;
  #environment: Environment | null = null;
  #playback: Playback | null = null;

  constructor() {
    super();
    this.name = "";
    this.gpu = null;
    this.error = null;
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has("name") || this.name === "") return;
    try {
      this.#environment = environmentByName(this.name);
      // Code that a person wrote runs in the kernel only: what it does is seen once something trains in it.
      this.#playback = this.#environment.host
        ? null
        : {
            environment: this.name,
            states: actAtRandom(this.#environment),
            caption: "Acting at random",
          };
      this.error = null;
    } catch (error) {
      this.error = asError(error).toData();
    }
  }

  override render(): TemplateResult {
    const environment = this.#environment;
    if (this.error || !environment) return this.error ? errorNote(this.error) : html``;
    const { observationSize, maxEpisodeSteps, rewardThreshold } = environment;
    const solved = Number.isNaN(rewardThreshold)
      ? ""
      : `, solved at a mean return of ${formatFigure(rewardThreshold)}`;
    return html`
      ${this.#playback && html`<fulgurite-stage .playback=${this.#playback}></fulgurite-stage>`}
      <p>
        ${environment.name}: observes ${observationSize === 1 ? "1 number" : `${observationSize} numbers`},
        ${actionWords(environment)}, at most
        ${maxEpisodeSteps === 1 ? "1 step" : `${formatCount(maxEpisodeSteps)} steps`} an
        episode${solved}.${environment.host ? " Its own code steps it, in the cell; a run shows it." : ""}
        ${
          this.name.startsWith("{") && !environment.host
            ? `Compiled; checked on random states${checkedWhere(this.gpu)}.`
            : nothing
        }
      </p>
      ${this.gpu?.kind === "failed" ? errorNote(this.gpu.error) : nothing}
    `;
  }
}

function actionWords(environment: Environment): string {
  const space = actionSpace(environment);
  switch (space.kind) {
    case "discrete":
      return `chooses between ${space.count} actions`;
    case "factored":
      return `makes ${space.counts.length} choices at once, of ${space.counts.join(", ")}`;
    case "continuous":
      return `acts by ${actionSize(environment) === 1 ? "a number" : `${actionSize(environment)} numbers`} from ${formatFigure(space.low)} to ${formatFigure(space.high)}`;
  }
}

/** An allowed action by chance. */
function randomAction(environment: Environment, state: Float32Array, words: Uint32Array): Action {
  const space = actionSpace(environment);
  const [word = 0] = words;
  if (space.kind === "continuous") {
    const { low, high } = space;
    const size = actionSize(environment);
    const numbers = Array.from({ length: size }, (_, d) => low + (high - low) * (words[d % 4]! / 2 ** 32));
    return size === 1 ? numbers[0]! : numbers;
  }
  const mask = environment.mask?.(state, 0) ?? 0xffffffff;
  let action = word % environment.actionCount;
  for (let i = 0; i < environment.actionCount && ((mask >>> action) & 1) === 0; i++) {
    action = (action + 1) % environment.actionCount;
  }
  return action;
}

/** Episodes one after the other: [PREVIEW_STEPS x stateSize]. */
function actAtRandom(environment: Environment): Float32Array {
  const size = environment.stateFields.length;
  const states = new Float32Array(PREVIEW_STEPS * size);
  const words = new Uint32Array(4);
  const outcome = new Float32Array(2);
  const state = new Float32Array(size);
  const draw = (step: number): void => {
    random4(PREVIEW_SEED, PREVIEW_STREAM, step, 0, words);
  };
  let length = 0;
  draw(0);
  environment.reset(state, 0, words);
  for (let step = 0; step < PREVIEW_STEPS; step++) {
    states.set(state, step * size);
    draw(step + 1);
    if (outcome[1] === 1 || length >= environment.maxEpisodeSteps) {
      outcome[1] = 0;
      length = 0;
      environment.reset(state, 0, words);
    } else {
      environment.step(state, 0, randomAction(environment, state, words), outcome);
      length++;
    }
  }
  return states;
}

customElements.define("fulgurite-environment", FulguriteEnvironment);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-environment": FulguriteEnvironment;
  }
}
