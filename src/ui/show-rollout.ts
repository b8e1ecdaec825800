import type { Rollout } from "../store/records.ts";

/** Opens the `<fulgurite-rollout-dialog>` in `root`; siblings and traces load with the first one that is opened. */
export async function showRollout(root: ParentNode, rollout: Rollout): Promise<void> {
  await import("./rollout-dialog.ts");
  await root.querySelector("fulgurite-rollout-dialog")?.show(rollout);
}
