export {
  defineReward,
  type DefineReward,
  type StepReward,
  type StepRewardSettings,
} from "./define-reward.ts";
export {
  rolloutRewardDefinition,
  rolloutRewardFrom,
  type RewardComponent,
  type RewardDefinition,
  type RolloutReward,
  type Scorer,
  type Transcript,
} from "./rollout-reward.ts";
export { compareRewards, type RewardComparison, type RewardHistogram } from "./rescore.ts";
