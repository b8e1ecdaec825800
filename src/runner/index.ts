export type {
  AgentHost,
  AttemptEnd,
  AttemptRequest,
  Emission,
  FailureReason,
  RunnerClock,
} from "./agent-host.ts";
export { awakeClock, type AwakeClock } from "./awake-clock.ts";
export type { AgentSource, CodeSource, RewardSource } from "./agent-source.ts";
export { createFrameAgentHost, type FrameAgentHostOptions } from "./frame-agent-host.ts";
export { FramePool, type FramePoolOptions } from "./frame-pool.ts";
export { createInProcessAgentHost, type InProcessHostOptions } from "./in-process-host.ts";
export { withPackages, type LoadPackage } from "./packages.ts";
export type { RunIdentity, Score } from "./protocol.ts";
export {
  createFrameRewardHost,
  createInProcessRewardHost,
  type FrameRewardHostOptions,
  type RewardHost,
  type ScoreFailure,
  type ScoreOutcome,
  type ScoreRequest,
} from "./reward-host.ts";
export {
  defaultLimits,
  RolloutController,
  type FinishedAttempt,
  type RolloutControllerOptions,
  type RolloutLimits,
  type RolloutTask,
} from "./rollout-controller.ts";
