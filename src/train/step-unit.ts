import type { Run } from "../store/records.ts";

/** What a run counts, in the plural. */
export const stepUnit = (kind: Run["kind"]): "steps" | "rollouts" | "examples" =>
  (({ simulated: "steps", agentic: "rollouts", supervised: "examples", outside: "rollouts" }) as const)[kind];
