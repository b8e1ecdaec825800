export { type AnyFunction, type CapturedOptions, functionText, functionTexts } from "./captured.ts";
export { checkReward, type RewardCheck, type StateView, type StepFunction } from "./check.ts";
export { compileStepReward, type CompiledStepReward } from "./compile.ts";
export type { CompiledReward } from "./compiled-reward.ts";
export { checkStepSource, type StepRewardOptions } from "./forms.ts";
export {
  compileLoss,
  type CompiledLoss,
  lossColumns,
  type LossOptions,
  trainedColumns,
} from "./compile-loss.ts";
export { checkLoss, type LossCheck, type LossFunction, type LossRow } from "./check-loss.ts";
export { defineLoss, type RowLoss } from "./define-loss.ts";
export { freeNames } from "./free-names.ts";
export type { Constants, FunctionText, FunctionTexts } from "./program.ts";
