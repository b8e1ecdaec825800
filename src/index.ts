export { train, type TrainOptions } from "./train/train.ts";
export { ask as complete } from "./train/ask.ts";
export type { Completion } from "./train/complete.ts";
export type { RunProgress, TrainResult } from "./train/job.ts";
export type { Curve, EpisodeReplay, RunEvent } from "./train/events.ts";
export { defineAgent, type Agent, type AgentContext } from "./train/define-agent.ts";
export {
  bytePairPolicy,
  characterPolicy,
  modelPolicy,
  wordPolicy,
  type CharacterPolicy,
} from "./train/character-policy.ts";
export type { AdapterOptions, LearningOptions, SoftPromptOptions } from "./train/policy-adapters.ts";
export { policyFromFile, policyWeights, type PolicyWeightsOptions } from "./train/policy-files.ts";
export { byteTokenizer } from "./lm/byte-tokenizer.ts";
export {
  bytePairTokenizer,
  bytePairTokenizerJson,
  trainBytePairs,
  type BytePairs,
} from "./lm/byte-pair-tokenizer.ts";
export { huggingFaceTokenizer, type HuggingFaceTokenizerFiles } from "./lm/hugging-face-tokenizer.ts";
export { characterTokenizer, type ConversationMessage, type Tokenizer } from "./lm/tokenizer.ts";
export { wordTokenizer, type WordVocabulary } from "./lm/word-tokenizer.ts";
export { defineReward } from "./reward/define-reward.ts";
export type { RolloutReward, Transcript } from "./reward/rollout-reward.ts";
export { filteredCloning, grpo, type LanguageAlgorithm } from "./rl/grpo.ts";
export { dapo, drGrpo, gspo, rloo } from "./rl/grpo-family.ts";
export { sft, type SftConfig, type SftOptions } from "./rl/sft.ts";
export { SftTrainer, type SftTrainerOptions } from "./train/sft-trainer.ts";
export { dpo, type DpoConfig, type DpoOptions } from "./rl/dpo.ts";
export { DpoTrainer, type DpoTrainerOptions } from "./train/dpo-trainer.ts";
export { preferencePairs, supervisedRows } from "./train/supervised-rows.ts";
export type { PreferenceExample, SupervisedExample } from "./train/examples.ts";
export { compileConstraint, jsonSchemaGrammar, parseGrammar, tokenBytes } from "./lm/constraint/index.ts";
export { createStoreHandler, type StoreHandlerOptions } from "./gateway/store/handler.ts";
export { openStore } from "./store/open.ts";
export type { LightningStore, Rollout, Run, Span } from "./store/records.ts";
export {
  spansToMessages,
  type ChatExample,
  type ChatMessage,
  type ChatTool,
  type ChatToolCall,
} from "./adapter/chat-messages.ts";
export { spansToSequenceTriplets, type SequenceTriplet } from "./adapter/sequence-triplets.ts";
export {
  agentName,
  findNode,
  namesOf,
  repairHierarchy,
  traceTree,
  traverse,
  type AdapterSpan,
  type NamedTree,
  type TraceNode,
} from "./adapter/trace-tree.ts";
export { spansToTriplets, type Triplet, type TripletOptions } from "./adapter/triplets.ts";
export { flattenAttributes, unflattenAttributes } from "./trace/attributes.ts";
export type { Emit, EmitOptions, Operation } from "./trace/emit.ts";
export { objectOf, operationValueOf } from "./trace/emissions.ts";
export { linkAttributes, linkedSpans, linksOf, tagAttributes, tagsOf, type SpanLink } from "./trace/links.ts";
export { isModelCall } from "./trace/model-call.ts";
export { decodeOtlpJson, encodeOtlpJson } from "./trace/otlp/json.ts";
export { decodeOtlpProtobuf, encodeOtlpProtobuf } from "./trace/otlp/protobuf.ts";
export { spansFromOtlp, spansToOtlp, type OtlpImport, type OtlpOptions } from "./trace/otlp/spans.ts";
export {
  finalReward,
  findRewardSpans,
  rewardsOf,
  rewardValue,
  type RewardDimension,
} from "./trace/rewards.ts";
export { ppo } from "./rl/ppo.ts";
export { a2c } from "./rl/a2c.ts";
export { reinforce } from "./rl/reinforce.ts";
export { episodeGrpo } from "./rl/episode-grpo.ts";
export { ppoLagrangian } from "./rl/ppo-lagrangian.ts";
export { behaviourCloning, type Demonstrations } from "./rl/behaviour-cloning.ts";
export { decodeCheckpoint, encodeCheckpoint, readCheckpointHeader } from "./rl/checkpoint-file.ts";
export { exportPolicy } from "./rl/export-policy.ts";
export { vTrace, type VTrace, type VTraceBatch } from "./rl/v-trace.ts";
export { decodeTensors, encodeTensors } from "./nn/safetensors.ts";
export { sweep, type SweepOptions, type SweepResult } from "./train/sweep.ts";
export type { SweepPlan, SweepRun, SweepSetting } from "./train/run-sweep.ts";
export { bootstrapInterval, interquartileMean } from "./train/interquartile-mean.ts";
export type { AlgorithmConfig, PolicyGradientConfig } from "./rl/config.ts";
export { cartPole } from "./env/cartpole.ts";
export {
  acrobot,
  bandit,
  catchBall,
  frozenLake,
  gridWorld,
  mountainCar,
  mountainCarContinuous,
  pendulum,
  snake,
} from "./env/environments.ts";
export {
  defineEnv,
  type EnvironmentDefinition,
  type Paint,
  type Random,
  type State,
} from "./env/define-env.ts";
export {
  hostEnvironment,
  type HostEnvironmentDefinition,
  type HostInstance,
  type HostOutcome,
} from "./env/host-environment.ts";
export { defineLoss, type RowLoss } from "./compile/define-loss.ts";
export type { LossRow } from "./compile/check-loss.ts";
export type { Environment } from "./env/environment.ts";
export { FulguriteError } from "./gpu/error.ts";
export { expect, type Expectation } from "./notebook/expect.ts";
export {
  button,
  diff,
  display,
  file,
  form,
  image,
  invalidation,
  progress,
  select,
  signal,
  slider,
  table,
  test,
  text,
  toggle,
  trace,
} from "./notebook/outside.ts";
export type { ChosenFile, FormInputs, SliderOptions, TextOptions } from "./notebook/cell-inputs.ts";
export type { PixelImage, Progress } from "./notebook/cell-views.ts";
export type { TraceSpan } from "./notebook/trace-output.ts";
