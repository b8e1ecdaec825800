import { cartPole } from "../env/cartpole.ts";
import * as environments from "../env/environments.ts";
import { hostEnvironment } from "../env/host-environment.ts";
import type { AnyDefinition } from "../env/define-env.ts";
import type { LossFunction, StepFunction } from "../compile/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import { bytePairTokenizer, trainBytePairs } from "../lm/byte-pair-tokenizer.ts";
import type { RewardDefinition } from "../reward/index.ts";
import { filteredCloning, grpo } from "../rl/grpo.ts";
import { dapo, drGrpo, gspo, rloo } from "../rl/grpo-family.ts";
import { a2c } from "../rl/a2c.ts";
import { behaviourCloning } from "../rl/behaviour-cloning.ts";
import { episodeGrpo } from "../rl/episode-grpo.ts";
import { ppo } from "../rl/ppo.ts";
import { ppoLagrangian } from "../rl/ppo-lagrangian.ts";
import { reinforce } from "../rl/reinforce.ts";
import { dpo } from "../rl/dpo.ts";
import { sft } from "../rl/sft.ts";
import type { AgenticJobOptions } from "../train/agentic-job.ts";
import { bytePairPolicy, characterPolicy, modelPolicy, wordPolicy } from "../train/character-policy.ts";
import { completionRequestOf, type CompletionOptions } from "../train/completion-request.ts";
import type { Completion, CompletionRequest } from "../train/complete.ts";
import type { Job, TrainResult } from "../train/job.ts";
import { jobOf } from "../train/job-of.ts";
import { runSweep, type SweepPlan, type SweepSetting } from "../train/run-sweep.ts";
import { policyFromFile } from "../train/policy-files.ts";
import { simulatedJob, type JobOptions } from "../train/simulated-job.ts";
import type { SupervisedJobOptions } from "../train/supervised-job.ts";
import { cellDefinitions, definitionOutput, type DefinitionScope } from "./cell-definitions.ts";
import {
  defineCellEnvironment,
  defineCellLoss,
  lossOutput,
  type NumericOptions,
} from "./cell-environment.ts";
import {
  defineStepReward,
  isEnvironment,
  rewardOutput,
  type RewardScope,
  type StepRewardOptions,
} from "./cell-reward.ts";
import type { CellTest } from "./cell-tests.ts";
import { cellInputs } from "./cell-inputs.ts";
import { cellViews, drawnOutput } from "./cell-views.ts";
import type { InputValue } from "./input-spec.ts";
import { plotRecorder } from "./plot-recorder.ts";
import { tableOf } from "./table-data.ts";
import { expect } from "./expect.ts";
import { formatText, inspect } from "./inspect.ts";
import { travellingJob } from "./protocol-job.ts";
import type { Output } from "./session-types.ts";

/** What the names a cell sees do for the run of the cell that calls them. */
export interface CellHost {
  readonly signal: AbortSignal;
  readonly scope: RewardScope & DefinitionScope;
  show(output: Output): void;
  /** `display` has shown this value. */
  displayed(value: unknown): void;
  train(job: Job): Promise<TrainResult>;
  complete(request: CompletionRequest): Promise<readonly Completion[]>;
  readonly invalidation: Promise<void>;
  readonly test: CellTest;
  /** What the person has set of this cell's inputs, by label. */
  readonly inputs: Readonly<Record<string, InputValue>>;
}

/** Names in scope in every cell, also by `import { ... } from "fulgurite"`. */
export const cellApiNames = [
  "cartPole",
  "acrobot",
  "mountainCar",
  "mountainCarContinuous",
  "pendulum",
  "frozenLake",
  "gridWorld",
  "catchBall",
  "snake",
  "bandit",
  "defineEnv",
  "hostEnvironment",
  "defineLoss",
  "ppo",
  "a2c",
  "reinforce",
  "episodeGrpo",
  "ppoLagrangian",
  "behaviourCloning",
  "grpo",
  "drGrpo",
  "rloo",
  "dapo",
  "gspo",
  "filteredCloning",
  "sft",
  "dpo",
  "characterPolicy",
  "wordPolicy",
  "bytePairPolicy",
  "modelPolicy",
  "policyFromFile",
  "trainBytePairs",
  "bytePairTokenizer",
  "defineAgent",
  "defineReward",
  "train",
  "sweep",
  "complete",
  "display",
  "signal",
  "invalidation",
  "test",
  "expect",
  "slider",
  "select",
  "toggle",
  "text",
  "button",
  "file",
  "form",
  "table",
  "image",
  "progress",
  "diff",
  "trace",
  "Plot",
  "console",
  "FulguriteError",
] as const;
export type CellApi = Readonly<Record<(typeof cellApiNames)[number], unknown>>;

/** The names for one run of one cell. */
export function createCellApi(host: CellHost): CellApi {
  const definitions = cellDefinitions(host.scope);
  const defineReward = (definition: RewardDefinition): unknown => definitions.defineReward(definition);
  defineReward.step = (step: StepFunction | string, options: StepRewardOptions = {}): unknown =>
    defineStepReward(step, options, host.scope);
  Object.freeze(defineReward);
  return {
    cartPole,
    ...environments,
    defineEnv: (definition: AnyDefinition, options: NumericOptions = {}) =>
      defineCellEnvironment(definition, options, host.scope),
    hostEnvironment,
    defineLoss: (loss: string | LossFunction, options: NumericOptions = {}) =>
      defineCellLoss(loss, options, host.scope),
    ppo,
    a2c,
    reinforce,
    episodeGrpo,
    ppoLagrangian,
    behaviourCloning,
    grpo,
    drGrpo,
    rloo,
    dapo,
    gspo,
    filteredCloning,
    sft,
    dpo,
    characterPolicy,
    wordPolicy,
    bytePairPolicy,
    modelPolicy,
    policyFromFile,
    trainBytePairs,
    bytePairTokenizer,
    defineAgent: definitions.defineAgent,
    defineReward,
    FulguriteError,
    signal: host.signal,
    invalidation: host.invalidation,
    test: host.test,
    expect,
    sweep: async (settings: Readonly<Record<string, SweepSetting>>, plan: SweepPlan) =>
      runSweep(settings, plan, async (setting, { seed, name, setting: sweep, index: sweepRun }) => {
        host.signal.throwIfAborted();
        return host.train(travellingJob({ ...simulatedJob({ ...setting, seed, name }), sweep, sweepRun }));
      }),
    train: async (options: JobOptions | AgenticJobOptions | SupervisedJobOptions) => {
      host.signal.throwIfAborted();
      return host.train(travellingJob(jobOf(options)));
    },
    complete: async (options: CompletionOptions) => {
      host.signal.throwIfAborted();
      return host.complete(completionRequestOf(options));
    },
    display: (value: unknown) => {
      host.show(outputOf(value, null));
      host.displayed(value);
      return value;
    },
    ...cellInputs(host.inputs, (output) => {
      host.show(output);
    }),
    ...cellViews((output) => {
      host.show(output);
    }),
    Plot: plotRecorder,
    console: cellConsole(host),
  };
}

/** A value as the page shows it: environments, rewards, losses, agents and policies as what they are, all else in the inspector. */
export function outputOf(value: unknown, name: string | null): Output {
  return (
    environmentOutput(value) ??
    rewardOutput(value, name) ??
    lossOutput(value, name) ??
    definitionOutput(value, name) ??
    drawnOutput(value) ??
    (typeof value === "string" && name === null
      ? { view: "text", stream: "out", text: value }
      : { view: "value", name, value: inspect(value) })
  );
}

/** Whether the value has a view of its own, shown wherever a cell defines it. */
export const hasOwnView = (value: unknown): boolean =>
  environmentOutput(value) !== undefined ||
  rewardOutput(value, null) !== undefined ||
  lossOutput(value, null) !== undefined ||
  definitionOutput(value, null) !== undefined ||
  drawnOutput(value) !== undefined;

const environmentOutput = (value: unknown): Output | undefined =>
  isEnvironment(value) ? { view: "environment", name: value.reference ?? value.name } : undefined;

function cellConsole(host: CellHost): Record<string, unknown> {
  const write =
    (stream: "out" | "warn" | "error") =>
    (...values: unknown[]): void => {
      host.show({ view: "text", stream, text: values.map(formatText).join(" ") });
    };
  const out = write("out");
  return {
    log: out,
    info: out,
    debug: out,
    warn: write("warn"),
    error: write("error"),
    trace: out,
    dir: (value: unknown) => {
      host.show(outputOf(value, null));
    },
    table: (value: unknown) => {
      const table = tableOf(value);
      host.show(table ? { view: "table", name: null, table } : outputOf(value, null));
    },
    assert: (condition: unknown, ...values: unknown[]) => {
      if (!condition) write("error")("Assertion failed:", ...values);
    },
  };
}
