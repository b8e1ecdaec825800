import { createFrameAgentHost, createFrameRewardHost, FramePool, type RunnerClock } from "../runner/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { AgenticJob } from "../train/job.ts";
import type { RunHosts } from "../train/rollout-batch.ts";

export const workerClock: RunnerClock = {
  now: () => Date.now(),
  setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
  clearTimeout: (timer) => {
    clearTimeout(timer as number);
  },
};

let frames: FramePool | null = null;

/** The page lends the frames that agents and rewards run in; until then no agent can. */
export function provideFrames(port: MessagePort): void {
  frames = new FramePool({ supply: port, clock: workerClock });
}

function lentFrames(): FramePool {
  if (frames) return frames;
  throw new FulguriteError(
    "runner/no-frames",
    "The page has lent no frames for agents to run in.",
    "Reload the page.",
  );
}

/** Agents and reward of a job, in sandboxed frames. */
export function frameHosts({ agent, reward }: Pick<AgenticJob, "agent" | "reward">): Promise<RunHosts> {
  const pool = lentFrames();
  const host = createFrameAgentHost({ frames: pool, source: agent, clock: workerClock });
  const rewards = createFrameRewardHost({ frames: pool, source: reward, clock: workerClock });
  return Promise.resolve({
    agents: [host],
    reward: rewards,
    dispose: () => {
      host.dispose();
      rewards.dispose();
    },
  });
}

/** A reward alone, for re-scoring. */
export const frameRewardHost = (source: AgenticJob["reward"]): RunHosts["reward"] =>
  createFrameRewardHost({ frames: lentFrames(), source, clock: workerClock });

const channel = new MessageChannel();
const flushes: (() => void)[] = [];
channel.port1.onmessage = () => flushes.shift()?.();

/** A later macrotask, without the delay that timers have. */
export function defer(flush: () => void): void {
  flushes.push(flush);
  channel.port2.postMessage(null);
}
