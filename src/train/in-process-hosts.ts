import {
  createInProcessAgentHost,
  createInProcessRewardHost,
  type InProcessHostOptions,
} from "../runner/index.ts";
import type { AgenticJob } from "./job.ts";
import type { RunHosts } from "./rollout-batch.ts";

/** Rollouts side by side: their calls are sampled in one batch. */
const SLOTS = 256;

/** Runs a job's agent and reward in this very process, with its rights: for code that the caller trusts. */
export function inProcessHosts(
  evaluate: InProcessHostOptions["evaluate"],
): (job: AgenticJob) => Promise<RunHosts> {
  return ({ agent, reward }) => {
    const host = createInProcessAgentHost({ source: agent, evaluate, slots: SLOTS });
    const rewards = createInProcessRewardHost({ source: reward, evaluate });
    return Promise.resolve({
      agents: [host],
      reward: rewards,
      dispose: () => {
        host.dispose();
        rewards.dispose();
      },
    });
  };
}
