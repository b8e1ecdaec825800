import type { RunnerClock } from "../runner/index.ts";
import { inProcessHosts } from "./in-process-hosts.ts";
import type { AgenticJob } from "./job.ts";
import type { RunHosts } from "./rollout-batch.ts";

const clock: RunnerClock = {
  now: () => Date.now(),
  setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
  clearTimeout: (timer) => {
    clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};

/** Agents and rewards in this process, which the caller trusts: for Node, where there are no frames. */
export const nodeHosts = {
  clock,
  defer: (flush: () => void): void => {
    setTimeout(flush, 0);
  },
  async createHosts(job: AgenticJob): Promise<RunHosts> {
    // node:vm exists in Node only; a browser never gets here.
    const { evaluateInNode } = await import("../runner/evaluate-in-node.ts");
    return inProcessHosts(evaluateInNode)(job);
  },
};
