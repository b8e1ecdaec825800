import type { Environment } from "../env/environment.ts";
import { policyHead } from "../kernels/action-space.ts";
import { actorCriticTowers, type DenseLayer } from "../kernels/towers.ts";
import type { PolicyGradientConfig } from "./config.ts";
import type { TrainingState } from "./engine.ts";
import { networkLayout } from "./network.ts";

/** Everything an exported policy is made of. */
export interface PolicyExport {
  readonly environment: Pick<Environment, "name" | "observationSize" | "actionCount" | "actions">;
  readonly algorithm: PolicyGradientConfig;
  readonly state: Pick<TrainingState, "update" | "parameters" | "normalization">;
}

/**
 * A trained policy as the text of ONE ES module with its weights, which imports nothing and runs wherever JavaScript
 * does: `act(observation)` gives the likeliest action, `act(observation, { random: Math.random })` a sampled one, and
 * `distribution(observation)` what it is chosen from. `mask` has a 0 for every forbidden output.
 */
export function exportPolicy({ environment, algorithm, state }: PolicyExport): string {
  const layout = networkLayout(environment, algorithm);
  const { trunk, actor } = actorCriticTowers(layout);
  const layers = [...trunk, ...actor];
  const head = policyHead(environment);
  const logStd = layout.tensors.find((tensor) => tensor.name === "actor.logStd");
  const cut = (layer: DenseLayer): number[] => [
    ...state.parameters.subarray(layer.weight, layer.weight + layer.inputs * layer.outputs),
    ...state.parameters.subarray(layer.bias, layer.bias + layer.outputs),
  ];
  const weights = Float32Array.from(layers.flatMap(cut));
  const size = environment.observationSize;
  const statistics = algorithm.normalizeObservations ? state.normalization : undefined;
  const about = {
    environment: environment.name,
    algorithm: algorithm.kind,
    update: state.update,
    observationSize: size,
    layers: layers.map(({ inputs, outputs }) => [inputs, outputs]),
    head:
      head.kind === "gaussian"
        ? { ...head, logStd: state.parameters[logStd!.offset]! }
        : { kind: head.kind, factors: head.factors },
    // Running statistics: counts, means, variances of size + 1 quantities each.
    mean: statistics ? [...statistics.subarray(size + 1, 2 * size + 1)] : null,
    variance: statistics ? [...statistics.subarray(2 * size + 2, 3 * size + 2)] : null,
  };
  return `// A policy trained by Fulgurite. This file is all of it: act(observation) is what it would do.
export const about = ${JSON.stringify(about)};

const bytes = Uint8Array.from(atob("${base64(new Uint8Array(weights.buffer))}"), (c) => c.charCodeAt(0));
const view = new DataView(bytes.buffer);
const weights = Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
${runtime}`;
}

/** btoa wants a string of bytes, and a call takes only so many arguments. */
function base64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/** The part that is the same for every policy; plain JavaScript. */
const runtime = `
function outputs(observation) {
  let x = Array.from(observation);
  if (x.length !== about.observationSize) {
    throw new RangeError("This policy observes " + about.observationSize + " numbers, not " + x.length + ".");
  }
  if (about.mean) {
    x = x.map((v, i) => {
      const normal = (v - about.mean[i]) / Math.sqrt(about.variance[i] + 1e-8);
      return Math.min(Math.max(normal, -10), 10);
    });
  }
  let at = 0;
  about.layers.forEach(([inputs, count], l) => {
    const bias = at + inputs * count;
    x = Array.from({ length: count }, (_, o) => {
      let sum = weights[bias + o];
      for (let i = 0; i < inputs; i++) sum += weights[at + o * inputs + i] * x[i];
      return l < about.layers.length - 1 ? Math.tanh(sum) : sum;
    });
    at = bias + count;
  });
  return x;
}

/** { mean, deviation } of a normal distribution, or the probabilities of each factor's choices. */
export function distribution(observation, { mask } = {}) {
  const x = outputs(observation);
  if (about.head.kind === "gaussian") return { mean: x[0], deviation: Math.exp(about.head.logStd) };
  let first = 0;
  return about.head.factors.map((count) => {
    const logits = x.slice(first, first + count).map((z, k) => (mask && !mask[first + k] ? -Infinity : z));
    first += count;
    const largest = Math.max(...logits);
    const e = logits.map((z) => Math.exp(z - largest));
    const total = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / total);
  });
}

/** The likeliest action, or with \`random\` (numbers in [0, 1)) a sampled one, as the environment takes it. */
export function act(observation, { mask, random } = {}) {
  const policy = distribution(observation, { mask });
  if (about.head.kind === "gaussian") {
    let action = policy.mean;
    if (random) {
      action += policy.deviation * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
    }
    return Math.min(Math.max(action, about.head.low), about.head.high);
  }
  let action = 0;
  let radix = 1;
  for (const probabilities of policy) {
    let choice = probabilities.indexOf(Math.max(...probabilities));
    if (random) {
      let left = random();
      choice = probabilities.findIndex((p) => (left -= p) < 0);
      if (choice < 0) choice = probabilities.findLastIndex((p) => p > 0);
    }
    action += radix * choice;
    radix *= probabilities.length;
  }
  return action;
}
`;
