import {
  createInProcessAgentHost,
  createInProcessRewardHost,
  type InProcessHostOptions,
} from "../runner/index.ts";
import type { AgenticJob } from "./job.ts";
import type { RunHosts } from "./rollout-batch.ts";

/** Runs a job's agent and reward in this very process, with its rights: for code that the caller trusts. */
export function inProcessHosts(
  evaluate: InProcessHostOptions["evaluate"],
): (job: AgenticJob) => Promise<RunHosts> {
  return ({ agent, reward }) => {
    const host = createInProcessAgentHost({ source: agent, evaluate });
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
