import type { Environment } from "../env/environment.ts";
import type { EnvironmentSource } from "../env/environment-source.ts";
import { policyHead } from "../kernels/action-space.ts";
import { actorCriticTowers, type DenseLayer } from "../kernels/towers.ts";
import type { PolicyGradientConfig } from "./config.ts";
import type { TrainingState } from "./engine.ts";
import { environmentExpression } from "./exported-environment.ts";
import { networkLayout } from "./network.ts";

/** Everything an exported policy is made of. */
export interface PolicyExport {
  readonly environment: Pick<Environment, "name" | "observationSize" | "actionCount" | "actions" | "mask"> & {
    /** Of a compiled environment: its functions go along. */
    readonly source?: EnvironmentSource;
  };
  readonly algorithm: PolicyGradientConfig;
  readonly state: Pick<TrainingState, "update" | "parameters" | "normalization">;
}

/**
 * A trained policy as the text of ONE ES module with its weights, which imports nothing and runs wherever JavaScript
 * does: `act(state)` or `act(observation)` gives the likeliest action, a list where it has several dimensions,
 * `act(state, { random: Math.random })` a sampled one, and `distribution(state)` what it is chosen from. A state is an
 * object as the environment's own functions see it, `{ x: 0, board: [0, 0] }`; only a compiled environment, one that ships
 * or of `defineEnv`, has them in the file, with `observe(state)` and `mask(state)`, a 0 for every forbidden output. Where
 * actions can be forbidden none of those is ever taken: an observation that does not tell which needs `{ mask }`, and
 * without it the call throws.
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
    masked: environment.mask !== undefined,
    observationSize: size,
    layers: layers.map(({ inputs, outputs }) => [inputs, outputs]),
    head:
      head.kind === "gaussian"
        ? { ...head, logStd: [...state.parameters.subarray(logStd!.offset, logStd!.offset + head.outputs)] }
        : { kind: head.kind, factors: head.factors },
    // Running statistics: counts, means, variances of size + 1 quantities each.
    mean: statistics ? [...statistics.subarray(size + 1, 2 * size + 1)] : null,
    variance: statistics ? [...statistics.subarray(2 * size + 2, 3 * size + 2)] : null,
  };
  const { source } = environment;
  return `// A policy trained by Fulgurite. This file is all of it: act(${source ? "state" : "observation"}) is what it would do.
export const about = ${JSON.stringify(about)};

const bytes = Uint8Array.from(atob("${base64(new Uint8Array(weights.buffer))}"), (c) => c.charCodeAt(0));
const view = new DataView(bytes.buffer);
const weights = Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
// What there is of its environment: states are objects with these fields.
const environment = ${source ? environmentExpression(source) : "null"};
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

const isList = (given) => Array.isArray(given) || ArrayBuffer.isView(given);

function checkState(state) {
  if (!environment) {
    throw new TypeError("This policy knows observations only: " + about.observationSize + " numbers in a list.");
  }
  for (const [name, length] of environment.fields) {
    const value = state?.[name];
    if (length === null ? typeof value === "number" : value?.length === length) continue;
    const what = length === null ? "a number" : "a list of " + length + " numbers";
    throw new TypeError("A state of " + about.environment + " has " + what + " as \\"" + name + "\\".");
  }
}

/** The observation of a state, an object with the environment's fields. */
export function observe(state) {
  checkState(state);
  if (environment.observe) return Array.from(environment.observe(state));
  return environment.fields.flatMap(([name, length]) => (length === null ? [state[name]] : Array.from(state[name])));
}

/** A 1 for every action that may be taken in a state and a 0 for every other; null where all may be always. */
export function mask(state) {
  checkState(state);
  if (!environment.allowed) return null;
  return about.head.factors.flatMap((count) =>
    Array.from({ length: count }, (_, action) => (environment.allowed(state, action) ? 1 : 0)),
  );
}

/** What is observed, and what is allowed: of a state, or of an observation, which may be the whole state. */
function see(given, allowed) {
  if (!isList(given)) return { observation: observe(given), allowed: allowed ?? mask(given) };
  if (about.masked && !allowed) {
    if (!environment?.allowed || environment.observe) {
      throw new TypeError(
        "Some actions are forbidden in some states of " + about.environment + ", and an observation does not tell which: " +
          (environment?.allowed
            ? "call act(state), or act(observation, { mask: mask(state) })."
            : "call act(observation, { mask }), with a 0 for every forbidden action."),
      );
    }
    let at = 0;
    const state = {};
    for (const [name, length] of environment.fields) {
      state[name] = length === null ? given[at] : Array.from(given).slice(at, at + length);
      at += length ?? 1;
    }
    return { observation: given, allowed: mask(state) };
  }
  return { observation: given, allowed };
}

/** { mean, deviation } of a normal distribution, of several dimensions lists, or the probabilities of each factor's choices. */
export function distribution(given, options = {}) {
  const { observation, allowed } = see(given, options.mask);
  const x = outputs(observation);
  if (allowed && allowed.length !== x.length) {
    throw new RangeError("The mask has " + allowed.length + " entries for " + x.length + " outputs.");
  }
  if (about.head.kind === "gaussian") {
    const deviation = about.head.logStd.map(Math.exp);
    return x.length === 1 ? { mean: x[0], deviation: deviation[0] } : { mean: x, deviation };
  }
  let first = 0;
  return about.head.factors.map((count) => {
    const logits = x.slice(first, first + count).map((z, k) => (allowed && !allowed[first + k] ? -Infinity : z));
    first += count;
    const largest = Math.max(...logits);
    if (largest === -Infinity) throw new RangeError("The mask forbids every action.");
    const e = logits.map((z) => Math.exp(z - largest));
    const total = e.reduce((a, b) => a + b, 0);
    return e.map((v) => v / total);
  });
}

/** The likeliest action, or with \`random\` (numbers in [0, 1)) a sampled one, as the environment takes it. */
export function act(given, options = {}) {
  const { random } = options;
  const policy = distribution(given, options);
  if (about.head.kind === "gaussian") {
    const { low, high } = about.head;
    const deviations = [policy.deviation].flat();
    const action = [policy.mean].flat().map((mean, d) => {
      const noise = random ? Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()) : 0;
      return Math.min(Math.max(mean + deviations[d] * noise, low), high);
    });
    return action.length === 1 ? action[0] : action;
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
