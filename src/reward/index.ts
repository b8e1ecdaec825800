export {
  defineReward,
  type DefineReward,
  type StepReward,
  type StepRewardSettings,
} from "./define-reward.ts";
