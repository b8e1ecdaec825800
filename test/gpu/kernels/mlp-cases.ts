import type { Environment } from "../../../src/env/environment.ts";
import { MemoryPlan } from "../../../src/gpu/memory-plan.ts";
import type { Stage } from "../../../src/gpu/plan.ts";
import { policyHead, type PolicyHead } from "../../../src/kernels/action-space.ts";
import type { ActorCriticTape } from "../../../src/kernels/reference/actor-critic.ts";
import { minibatchLoss, type MinibatchOptions } from "../../../src/kernels/reference/minibatch-loss.ts";
import type { Scalar } from "../../../src/kernels/scalars.ts";
import { a2cRowLoss } from "../../../src/rl/a2c.ts";
import type { CompiledLoss } from "../../../src/compile/compile-loss.ts";
import { lossColumns, trainedColumns } from "../../../src/compile/loss-columns.ts";
import type { LossRow, RowLossFunction } from "../../../src/kernels/row-loss.ts";
import { ppoLagrangianRowLoss } from "../../../src/rl/ppo-lagrangian.ts";
import type { PolicyVariant } from "../../../src/rl/policy-variant.ts";
import { ppoRowLoss } from "../../../src/rl/ppo.ts";
import { algorithmVariants } from "../../support/algorithm-variants.ts";
import { minibatchStages } from "../../../src/rl/webgpu-minibatch.ts";
import {
  actionSection,
  createPpoPlan,
  type PpoPlan,
  type PpoPlanRequest,
} from "../../../src/rl/webgpu-plan.ts";
import { gpu, random, scalarSlot } from "../support.ts";
import {
  Expectation,
  withoutQuads,
  wordsOf,
  type KernelCase,
  type KernelTest,
  type MakeCase,
} from "./kernel-case.ts";

type Options = Partial<Omit<PpoPlanRequest, "environment">> & { readonly environment?: Partial<Environment> };

/** A minibatch of `size` samples as the engine plans it; nothing is allocated. */
export function planned(
  size: number,
  { environment = {}, ...options }: Options = {},
): { readonly ppo: PpoPlan; readonly stages: readonly Stage[] } {
  const request = {
    ...{ reward: null, envs: size, steps: 1, minibatchSize: size, epochs: 1, hidden: [20, 12, 9] },
    ...{ separateTowers: true, normalizeAdvantages: true, truncationBootstrap: true },
    ...options,
    environment: { observationSize: 5, actionCount: 3, stateFields: ["x"], ...environment } as Environment,
  };
  const ppo = createPpoPlan(gpu!, request, new MemoryPlan());
  return { ppo, stages: minibatchStages(ppo) };
}

export const weights = ({ layout }: PpoPlan): Float32Array<ArrayBuffer> => {
  const plain = random(layout.plainLength, 1);
  return layout.pack(plain.map((x) => 0.6 * x));
};

/** How the lanes share; "wide" is sized for quads, to compare their bits. */
const sized = (sharing: PolicyVariant): Options => ({ kernels: sharing === "registers" ? sharing : "quads" });

/** A stage as a case: bindings by name, filled with what is given and else with random numbers. */
function stageCase(
  stage: Stage,
  sharing: PolicyVariant,
  names: readonly string[],
  contents: Readonly<Record<string, KernelCase["buffers"][string]>>,
  scalars: Partial<Record<Scalar, number>> | null,
): Omit<KernelCase, "expected"> & { readonly constants: Record<string, number> } {
  const storage = scalars ? stage.buffers.slice(1) : stage.buffers;
  const buffers = Object.fromEntries(
    names.map((name, i) => [name, contents[name] ?? random(storage[i]!.size / 4, 20 + i)]),
  );
  return {
    ...{ kernel: stage.kernel, invocations: stage.invocations, workgroup: stage.workgroup, buffers },
    ...(scalars ? { slot: scalarSlot(scalars).bytes } : {}),
    ...(stage.parts ? { parts: stage.parts } : {}),
    constants: {
      ...stage.constants,
      QUADS: sharing === "quads",
    } as unknown as Record<string, number>,
  };
}

/** Where a sample's feature lies: blocks of four by four, columns are samples. */
const activationAt = (
  c: Readonly<Record<string, number>>,
  blocks: number,
  tower: number,
  sample: number,
  feature: number,
): number =>
  ((tower * c["SAMPLE_BLOCKS"]! + (sample >> 2)) * blocks + (feature >> 2)) * 16 +
  (sample & 3) * 4 +
  (feature & 3);

/** Where a weight lies from its layer's first: columns are outputs. */
const weightAt = (inputBlocks: number, output: number, input: number): number =>
  ((output >> 2) * inputBlocks + (input >> 2)) * 16 + (output & 3) * 4 + (input & 3);

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Row of the rollout that a sample of the minibatch is; blocks that are not full repeat the last one. */
const rowOf = (indices: KernelCase["buffers"][string], size: number, sample: number): number =>
  indices[Math.min(sample, size - 1)]!;

/** z = W x + b, in f64. */
function preactivation(
  c: Readonly<Record<string, number>>,
  parameters: ArrayLike<number>,
  tower: number,
  output: number,
  input: (feature: number) => number,
): number {
  const shift = tower * c["TOWER_STRIDE"]!;
  const inputs = c["INPUT_BLOCKS"]!;
  let z = parameters[c["BIAS"]! + shift + output]!;
  for (let k = 0; k < 4 * inputs; k++) {
    z += parameters[c["WEIGHT"]! + shift + weightAt(inputs, output, k)]! * input(k);
  }
  return z;
}

const permuted = (size: number): Uint32Array<ArrayBuffer> =>
  Uint32Array.from({ length: size }, (_, i) => (i + Math.floor(size / 2)) % size);

const forward =
  (first: boolean, sharing: PolicyVariant): MakeCase =>
  (size) => {
    const { ppo, stages } = planned(size, sized(sharing));
    const stage = stages[first ? 0 : 1]!;
    if (sharing === "quads" && !gpu!.canShareQuads) return withoutQuads();
    const names = ["parameters", "hidden", ...(first ? ["observations", "indices"] : ["input"])];
    const base = stageCase(stage, sharing, names, { parameters: weights(ppo), indices: permuted(size) }, {});
    const { constants: c, buffers } = base;
    const expected = new Expectation();
    const source = buffers[first ? "observations" : "input"]!;
    const inputs = c["INPUT_BLOCKS"]!;
    for (const tower of range(2)) {
      for (const sample of range(4 * c["SAMPLE_BLOCKS"]!)) {
        const x = (k: number): number =>
          first
            ? source[rowOf(buffers["indices"]!, size, sample) * 4 * inputs + k]!
            : source[activationAt(c, inputs, tower, sample, k)]!;
        for (const output of range(4 * c["OUTPUT_BLOCKS"]!)) {
          const z = preactivation(c, buffers["parameters"]!, tower, output, x);
          expected.float("hidden", activationAt(c, c["OUTPUT_BLOCKS"]!, tower, sample, output), Math.tanh(z));
        }
      }
    }
    return { ...base, expected };
  };

/** Gradient of the first layer by row of tiles, from dz of every sample. */
function expectFirstLayer(
  c: Readonly<Record<string, number>>,
  buffers: KernelCase["buffers"],
  size: number,
  width: number,
  dz: (tower: number, sample: number, output: number) => number,
  expected: Expectation,
): void {
  const observed = c["OBSERVATION_BLOCKS"]!;
  const tile = 4 * c["TILE_SAMPLES"]!;
  for (const tower of range(c["TOWERS"]!)) {
    for (const row of range((4 * c["SAMPLE_BLOCKS"]!) / tile)) {
      const base = row * c["SMALL_LENGTH"]! + tower * c["FIRST_STRIDE"]!;
      const samples = range(tile).map((s) => row * tile + s);
      for (const output of range(width)) {
        const deltas = samples.map((s) => dz(tower, s, output));
        expected.float(
          "partials",
          base + c["FIRST_BIAS"]! + output,
          deltas.reduce((a, b) => a + b, 0),
        );
        for (const k of range(4 * observed)) {
          const sum = samples.reduce((total, sample, i) => {
            const x = buffers["observations"]![rowOf(buffers["indices"]!, size, sample) * 4 * observed + k]!;
            return total + deltas[i]! * x;
          }, 0);
          expected.float("partials", base + c["FIRST_WEIGHT"]! + weightAt(observed, output, k), sum);
        }
      }
    }
  }
}

const backwardData =
  (first: boolean, sharing: PolicyVariant): MakeCase =>
  (size) => {
    const { ppo, stages } = planned(size, sized(sharing));
    const stage = stages.filter(({ kernel }) => kernel.name === "mlp/backward_data")[first ? 1 : 0]!;
    if (sharing === "quads" && !gpu!.canShareQuads) return withoutQuads();
    const end = first ? ["observations", "indices", "partials"] : ["delta"];
    const names = ["parameters", "above", "hidden", ...end];
    const base = stageCase(stage, sharing, names, { parameters: weights(ppo), indices: permuted(size) }, {});
    const { constants: c, buffers } = base;
    const expected = new Expectation();
    const [above, outputs] = [c["ABOVE_BLOCKS"]!, c["OUTPUT_BLOCKS"]!];
    const dz = (tower: number, sample: number, output: number): number => {
      const start = c["WEIGHT"]! + tower * c["TOWER_STRIDE"]!;
      const h = buffers["hidden"]![activationAt(c, outputs, tower, sample, output)]!;
      const d = range(4 * above).reduce(
        (sum, n) =>
          sum +
          buffers["parameters"]![start + weightAt(outputs, n, output)]! *
            buffers["above"]![activationAt(c, above, tower, sample, n)]!,
        0,
      );
      return d * (1 - h * h);
    };
    if (first) expectFirstLayer(c, buffers, size, 4 * outputs, dz, expected);
    else {
      for (const tower of range(2)) {
        for (const sample of range(4 * c["SAMPLE_BLOCKS"]!)) {
          for (const output of range(4 * outputs)) {
            const at = activationAt(c, outputs, tower, sample, output);
            expected.float("delta", at, dz(tower, sample, output));
          }
        }
      }
    }
    return { ...base, expected };
  };

const weightGradient =
  (sharing: PolicyVariant): MakeCase =>
  (size) => {
    const { stages } = planned(size, { hidden: [20, 12], ...sized(sharing) });
    const stage = stages.find(({ kernel }) => kernel.name === "mlp/weight_gradient")!;
    if (sharing === "quads" && !gpu!.canShareQuads) return withoutQuads();
    const base = stageCase(stage, sharing, ["input", "delta", "partials"], {}, null);
    const { constants: c, buffers } = base;
    const expected = new Expectation();
    const [inputs, outputs] = [c["INPUT_BLOCKS"]!, c["OUTPUT_BLOCKS"]!];
    const each = 4 * Math.ceil(c["SAMPLE_BLOCKS"]! / c["SPLITS"]!);
    for (const tower of range(2)) {
      for (const split of range(c["SPLITS"]!)) {
        const start = c["PARTIAL_BASE"]! + split * c["LARGE_LENGTH"]! + tower * c["TOWER_STRIDE"]!;
        const samples = range(4 * c["SAMPLE_BLOCKS"]!).slice(split * each, (split + 1) * each);
        for (const output of range(4 * outputs)) {
          const d = samples.map((s) => buffers["delta"]![activationAt(c, outputs, tower, s, output)]!);
          expected.float(
            "partials",
            start + c["BIAS"]! + output,
            d.reduce((a, b) => a + b, 0),
          );
          for (const k of range(4 * inputs)) {
            const sum = samples.reduce(
              (total, s, i) => total + d[i]! * buffers["input"]![activationAt(c, inputs, tower, s, k)]!,
              0,
            );
            expected.float("partials", start + c["WEIGHT"]! + weightAt(inputs, output, k), sum);
          }
        }
      }
    }
    return { ...base, expected };
  };

const lossScalars = {
  ...{ clip: 0.2, clipHigh: 0.3, valueClip: 0.3, dualClip: 1.5 },
  ...{ entropyCoefficient: 0.02, valueCoefficient: 0.7 },
} as const;

const forwardLoss =
  (options: Options, sharing: PolicyVariant): MakeCase =>
  (size) => {
    const { ppo, stages } = planned(size, { hidden: [20, 12], ...options, ...sized(sharing) });
    const stage = stages.find(({ kernel }) => kernel.name === "mlp/forward_loss")!;
    if (sharing === "quads" && !gpu!.canShareQuads) return withoutQuads();
    const { request } = ppo;
    const head = policyHead(request.environment);
    const rows = Array.from({ length: size }, (_, i) => i);
    const allowed = request.masked === true;
    const outputs = head.outputs;
    // In the order of shaders/common/transitions.wgsl; the mask leaves every factor its first choice.
    const column = (step: number, scale = 1): number[] => [...random(size, step).map((x) => scale * x)];
    const unit = column(2).map((x) => (x + 1) / 2);
    const factors = head.kind === "gaussian" ? [] : head.factors;
    const firsts = factors.map((_, f) => factors.slice(0, f).reduce((a, b) => a + b, 0));
    const masks = rows.map((i) => {
      const drawn = Math.floor(unit[(i * 7) % size]! * 2 ** outputs);
      return firsts.reduce((mask, at) => mask | (1 << at), drawn);
    });
    const total = factors.reduce((a, b) => a * b, 1);
    // Among masked actions only the one that is always allowed.
    const actions = unit.map((u) => (allowed ? 0 : Math.floor(u * total)));
    const ownOld = column(4, 0.4).map((x) => x - 1);
    const advantages = column(5, 2);
    const returns = column(6);
    const values = column(7);
    const shares = column(8).map((x) => Math.max(0, x + 0.4));
    const costReturns = column(9);
    const n = size;
    const transitions = new Float32Array(15 * n + 3 * n + outputs * n);
    const words = wordsOf(transitions);
    if (head.kind === "gaussian") {
      for (let d = 0; d < outputs; d++) transitions.set(column(30 + d), actionSection(d, n, n));
    } else words.set(actions, 0);
    words.set(masks, n);
    transitions.set(ownOld, 2 * n);
    transitions.set(advantages, 6 * n);
    transitions.set(returns, 7 * n);
    transitions.set(values, 8 * n);
    transitions.set(shares, 9 * n + n);
    transitions.set(costReturns, 13 * n);
    const shallow = request.hidden.length === 1;
    const contents = {
      ...{ parameters: weights(ppo), indices: permuted(size), statistics: Float32Array.of(0.25, 1.5) },
      transitions,
    };
    const names = ["parameters", "indices", "transitions", "statistics", "partials", "delta"];
    const base = stageCase(
      stage,
      sharing,
      [...names, shallow ? "observations" : "input"],
      contents,
      lossScalars,
    );
    const { constants: c, buffers } = base;
    const expected = new Expectation();
    const parameters = buffers["parameters"]!;
    const width = 4 * c["OUTPUT_BLOCKS"]!;
    const towers = c["TOWERS"]!;
    const samples = range(4 * c["SAMPLE_BLOCKS"]!);
    const hidden = range(towers).map((tower) =>
      samples.map((sample) =>
        range(width).map((output) =>
          Math.tanh(
            preactivation(c, parameters, tower, output, (k) =>
              shallow
                ? buffers["observations"]![
                    rowOf(buffers["indices"]!, size, sample) * 4 * c["INPUT_BLOCKS"]! + k
                  ]!
                : buffers["input"]![activationAt(c, c["INPUT_BLOCKS"]!, tower, sample, k)]!,
            ),
          ),
        ),
      ),
    );
    const headRow = (row: number, sample: number): number => {
      const tower = towers === 2 && row >= 4 * c["ACTOR_BLOCKS"]! ? 1 : 0;
      return range(width).reduce(
        (z, k) =>
          z +
          parameters[c["HEAD_WEIGHT"]! + weightAt(c["OUTPUT_BLOCKS"]!, row, k)]! *
            hidden[tower]![sample]![k]!,
        parameters[c["HEAD_BIAS"]! + row]!,
      );
    };
    const valueRow = ppo.layout.valueRow;
    const costed = (request.cost ?? null) !== null;
    const whole = request.episodes === "whole";
    const lossOptions: MinibatchOptions = {
      ...{ head, ...lossScalars, normalizeAdvantages: false },
      rowLoss: request.loss
        ? personsRowLoss(request.loss, request.separateTowers)
        : costed
          ? ppoLagrangianRowLoss
          : request.surrogate === "score"
            ? a2cRowLoss
            : ppoRowLoss,
    };
    // d loss / d output by row of the heads, and what the minibatch's loss terms add up to, sample by sample.
    const heads = samples.map((sample) => {
      const gradient = new Float64Array(4 * c["HEAD_BLOCKS"]!);
      const row = rowOf(buffers["indices"]!, size, sample);
      const live = sample < size ? (whole ? shares[row]! : 1) : 0;
      const logits = Float64Array.from(range(outputs), (k) => headRow(k, sample));
      const both = Float64Array.from(range(costed ? 2 : 1), (k) => headRow(valueRow + k, sample));
      const tape = { logits, value: both[0]!, values: both } as unknown as ActorCriticTape;
      const network = {
        ...{ length: outputs, logStd: head.kind === "gaussian" ? 0 : null, forward: () => tape },
        backward: (_p: unknown, _t: unknown, l: ArrayLike<number>, v: ArrayLike<number>): void => {
          gradient.set(Array.from(l), 0);
          gradient.set(Array.from(v), valueRow);
        },
      };
      const loss = minibatchLoss(
        network,
        range(outputs).map((d) => headRow(outputs + d, sample)),
        {
          observations: [0],
          actions:
            head.kind === "gaussian"
              ? range(outputs).map((d) => transitions[actionSection(d, n, n) + row]!)
              : [actions[row]!],
          oldLogProbabilities: [transitions[2 * n + row]!],
          advantages: [(transitions[6 * n + row]! - 0.25) * 1.5],
          returns: [transitions[7 * n + row]!],
          oldValues: [transitions[8 * n + row]!],
          weights: [live / size],
          ...(allowed ? { mask: range(outputs).map((k) => (masks[row]! >> k) & 1) } : {}),
          ...(costed ? { costReturns: [transitions[13 * n + row]!] } : {}),
        },
        lossOptions,
      );
      if (head.kind === "gaussian") gradient.set(loss.gradient, outputs);
      const terms = [loss.policyLoss, loss.entropy, loss.klK3, loss.clipFraction, loss.valueLoss];
      return { gradient, terms: terms.map((term) => term * size) };
    });
    for (const block of range(c["SAMPLE_BLOCKS"]!)) {
      const at = c["STATISTICS_BASE"]! + block * 8;
      const sum = (term: number): number =>
        range(4).reduce((total, s) => total + heads[4 * block + s]!.terms[term]!, 0);
      for (const term of range(4)) expected.float("partials", at + term, sum(term));
      expected.float("partials", at + 4, sum(4));
      for (const word of [5, 6, 7]) expected.float("partials", at + word, 0);
    }
    const tile = 4 * c["TILE_SAMPLES"]!;
    const blocksOf = (tower: number): number[] =>
      towers === 1
        ? range(c["HEAD_BLOCKS"]!)
        : tower === 0
          ? range(c["ACTOR_BLOCKS"]!)
          : [c["ACTOR_BLOCKS"]!];
    const delta = (tower: number, sample: number, k: number): number => {
      const h = hidden[tower]![sample]![k]!;
      const d = blocksOf(tower)
        .flatMap((block) => range(4).map((r) => 4 * block + r))
        .reduce(
          (sum, row) =>
            sum +
            parameters[c["HEAD_WEIGHT"]! + weightAt(c["OUTPUT_BLOCKS"]!, row, k)]! *
              heads[sample]!.gradient[row]!,
          0,
        );
      return d * (1 - h * h);
    };
    for (const tower of range(towers)) {
      for (const row of range(samples.length / tile)) {
        const here = range(tile).map((s) => row * tile + s);
        for (const output of blocksOf(tower).flatMap((block) => range(4).map((r) => 4 * block + r))) {
          const at = row * c["SMALL_LENGTH"]!;
          const g = here.map((s) => heads[s]!.gradient[output]!);
          expected.float(
            "partials",
            at + c["HEAD_BIAS"]! + output,
            g.reduce((a, b) => a + b, 0),
          );
          const weightless = head.kind === "gaussian" && output >= outputs && output < 2 * outputs;
          for (const k of range(width)) {
            const sum = here.reduce((total, s, i) => total + g[i]! * hidden[tower]![s]![k]!, 0);
            const place = at + c["HEAD_WEIGHT"]! + weightAt(c["OUTPUT_BLOCKS"]!, output, k);
            expected.float("partials", place, weightless ? 0 : sum);
          }
        }
      }
      for (const sample of samples) {
        for (const k of range(width)) {
          const at = activationAt(c, c["OUTPUT_BLOCKS"]!, tower, sample, k);
          expected.float("delta", at, shallow ? hidden[tower]![sample]![k]! : delta(tower, sample, k));
        }
      }
    }
    if (shallow) expectFirstLayer(c, buffers, size, width, delta, expected);
    return { ...base, expected };
  };

/** A loss that a person wrote: separate towers see of each other what was there when the row was collected. */
const personsRowLoss =
  (loss: CompiledLoss, apart: boolean): RowLossFunction =>
  (row, settings) => {
    const columns = (known: Partial<LossRow>): number[] =>
      lossColumns.map((name) => (name === "mask" ? 1 : { ...row, ...known }[name]));
    const actor = columns(apart ? { value: row.oldValue } : {});
    const critic = columns(apart ? { logProbability: row.oldLogProbability, entropy: 0 } : {});
    const by = (of: number[], name: (typeof trainedColumns)[number]): number =>
      loss.referenceDerivative(of, 0, trainedColumns.indexOf(name)).value;
    const policyLoss = loss.reference(actor, 0).value;
    const { valueLoss, byCostValue } = ppoRowLoss(row, settings);
    return {
      ...{ loss: policyLoss, policyLoss, valueLoss, byCostValue },
      byLogProbability: by(actor, "logProbability"),
      byEntropy: by(actor, "entropy"),
      byValue: by(critic, "value"),
    };
  };

/** A distribution's name where it is normal. */
export const normals = (head: PolicyHead): string | null =>
  head.kind !== "gaussian"
    ? null
    : head.outputs === 1
      ? "a normal distribution"
      : `${head.outputs} normal distributions`;

/** Those that `npm test` tries: what is the same on other heads is the proof's. */
const inShort = ["two factors, masked, one trunk", "two towers, quads"];

/** What the engine plans for each of the algorithms' switches, once where the loss is the same. */
const losses: ReadonlyMap<string, Options> = new Map(
  algorithmVariants.map(([, { environment, cost = null, loss = null, algorithm }]) => {
    const { actionCount, actions, mask } = environment;
    const { surrogate, episodes, separateTowers, hidden } = algorithm;
    const shallow = hidden.length === 1;
    const words = [
      normals(policyHead(environment)) ?? (actions ? "two factors" : ""),
      mask ? "masked" : "",
      surrogate === "score" ? "the score" : "",
      episodes === "whole" ? "whole episodes" : "",
      cost ? "a cost" : "",
      loss ? (loss.source.includes("gate") ? "a loss of one's own" : "one that mixes") : "",
      separateTowers ? "two towers" : "one trunk",
      shallow ? "one layer" : "",
    ];
    const options: Options = {
      environment: { actionCount, ...(actions && { actions }) },
      ...{ masked: mask !== undefined, surrogate, episodes, separateTowers, cost, loss },
      hidden: shallow ? [9] : [20, 12],
    };
    return [words.filter((word) => word !== "").join(", "), options];
  }),
);

const sharings = ["registers", "wide", "quads"] as const;

const lossVariants: Readonly<Record<string, MakeCase>> = Object.fromEntries([
  ...[...losses].map(([name, options]) => [name, forwardLoss(options, "registers")]),
  ...(["wide", "quads"] as const).map((sharing) => [
    `two towers, ${sharing}`,
    forwardLoss(losses.get("two towers")!, sharing),
  ]),
]) as Record<string, MakeCase>;

const shared = (
  kinds: Readonly<Record<string, (sharing: PolicyVariant) => MakeCase>>,
): Pick<KernelTest, "variants" | "sameBits" | "proofOnly"> => {
  const names = Object.keys(kinds);
  const variants = Object.fromEntries(
    names.flatMap((name) => sharings.map((sharing) => [`${name}, ${sharing}`, kinds[name]!(sharing)])),
  );
  // `npm test` tries the first with quads, which compiles the wide one too, and the others with registers.
  const short = names.map((name, n) => `${name}, ${n === 0 ? "quads" : "registers"}`);
  return {
    variants,
    proofOnly: Object.keys(variants).filter((name) => !short.includes(name)),
    sameBits: Object.fromEntries(names.map((name) => [`${name}, quads`, `${name}, wide`])),
  };
};

export const mlpTests: readonly KernelTest[] = [
  {
    shader: "mlp/forward",
    ...shared({
      "first layer": (sharing) => forward(true, sharing),
      "inner layer": (sharing) => forward(false, sharing),
    }),
    fault: ["z0_0 += w0 * x0", "z0_0 -= w0 * x0"],
  },
  {
    shader: "mlp/forward_loss",
    variants: lossVariants,
    sameBits: { "two towers, quads": "two towers, wide" },
    proofOnly: Object.keys(lossVariants).filter((name) => !inShort.includes(name)),
    fault: ["unclipped >= clipped", "unclipped < clipped"],
  },
  {
    shader: "mlp/backward_data",
    ...shared({
      "to the first layer": (sharing) => backwardData(true, sharing),
      "to an inner layer": (sharing) => backwardData(false, sharing),
    }),
    fault: ["let dz0_0 = tanh_gradient(d0_0, h0_0)", "let dz0_0 = tanh_gradient(h0_0, d0_0)"],
  },
  {
    shader: "mlp/weight_gradient",
    ...shared({ "a layer": weightGradient }),
    fault: ["min((split + 1u) * SPLIT_BLOCKS, SAMPLE_BLOCKS)", "(split + 1u) * SPLIT_BLOCKS - 1u"],
  },
];
