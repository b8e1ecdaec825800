import type { Rollout, Span } from "../store/records.ts";
import { agentEmissionSpan, modelCallSpan, rewardSpan, rolloutSpan } from "../trace/agentic-spans.ts";
import { meanScore } from "./credit.ts";
import type { MadeRollout } from "./rollout-batch.ts";
export const todo: [Rollout, Span, MadeRollout, unknown] | null = null;
export { agentEmissionSpan, modelCallSpan, rewardSpan, rolloutSpan, meanScore };
