export { checkReward, type RewardCheck, type StateView, type StepFunction } from "./check.ts";
export { compileStepReward, type CompiledStepReward } from "./compile.ts";
export type { CompiledReward } from "./compiled-reward.ts";
export { checkStepSource, type StepRewardOptions } from "./forms.ts";
export { freeNames } from "./free-names.ts";
