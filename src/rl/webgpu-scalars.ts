import { ScalarSlots } from "../kernels/scalars.ts";
import type { EngineRequest } from "./engine.ts";
import { scheduleValue, updateCount } from "./schedule.ts";
import type { PpoPlan } from "./webgpu-plan.ts";

/** A KL that nothing reaches. */
const FAR = 3e38;
const BETA1 = 0.9;
const BETA2 = 0.999;

/** The numbers that kernels get with an update: slot 0 for all of it, then one for each chunk of steps, one for each minibatch. */
export class UpdateScalars {
  readonly #request: EngineRequest;
  readonly #sizes: PpoPlan["sizes"];
  readonly #slots: ScalarSlots;

  constructor(request: EngineRequest, sizes: PpoPlan["sizes"]) {
    this.#request = request;
    this.#sizes = sizes;
    this.#slots = new ScalarSlots(sizes.slots);
    this.#writeConstants();
  }

  get bytes(): ArrayBuffer {
    return this.#slots.bytes;
  }

  #writeConstants(): void {
    const { algorithm, seed } = this.#request;
    const beta2 = algorithm.optimizer === "adamw" ? BETA2 : algorithm.rmspropDecay;
    for (let slot = 0; slot < this.#sizes.slots; slot++) {
      const set = this.#slots.set.bind(this.#slots, slot);
      set("seed", seed);
      set("gamma", algorithm.gamma);
      set("lambda", algorithm.lambda);
      set("valueClip", algorithm.valueClip ?? -1);
      set("entropyCoefficient", algorithm.entropyCoefficient);
      set("valueCoefficient", algorithm.valueCoefficient);
      set("maxGradientNorm", algorithm.maxGradientNorm);
      set("beta1", BETA1);
      set("beta2", beta2);
      set("beta1Complement", 1 - BETA1);
      set("beta2Complement", 1 - beta2);
      set("dualClip", algorithm.dualClip ?? 0);
      set("epsilon", algorithm.adamEpsilon);
      set("weightDecay", algorithm.weightDecay);
    }
  }

  /** What changes with update `update`, after `optimizerStep` steps of the optimizer; returns its learning rate. */
  write(update: number, optimizerStep: number, multiplier: number): number {
    const { algorithm } = this.#request;
    const { chunks, chunkSteps, minibatches } = this.#sizes;
    const slots = this.#slots;
    const updates = updateCount(algorithm);
    const learningRate = scheduleValue(algorithm.learningRate, update, updates);
    const clip = scheduleValue(algorithm.clip, update, updates);
    slots.set(0, "baseEpoch", update * algorithm.epochs);
    slots.set(0, "multiplier", multiplier);
    for (let chunk = 0; chunk < chunks; chunk++) {
      const first = chunk * chunkSteps;
      slots.set(1 + chunk, "baseStep", update * algorithm.steps);
      slots.set(1 + chunk, "firstStep", first);
      slots.set(1 + chunk, "stepCount", Math.min(chunkSteps, algorithm.steps - first));
    }
    const { klStop } = algorithm;
    const perEpoch = minibatches / algorithm.epochs;
    for (let n = 0; n < minibatches; n++) {
      const slot = 1 + chunks + n;
      const step = optimizerStep + n + 1;
      slots.set(slot, "indexOffset", n * algorithm.minibatchSize);
      slots.set(slot, "statisticsRow", n);
      slots.set(slot, "learningRate", learningRate);
      slots.set(slot, "clip", clip);
      slots.set(slot, "clipHigh", algorithm.clipHigh ?? clip);
      const looks = klStop?.when === "step" || (n + 1) % perEpoch === 0;
      slots.set(slot, "klLimit", klStop && looks ? klStop.limit : FAR);
      slots.set(slot, "correction1", 1 - BETA1 ** step);
      slots.set(slot, "correction2", 1 - BETA2 ** step);
    }
    return learningRate;
  }
}
