import {
  awakeClock,
  createFrameAgentHost,
  createFrameRewardHost,
  FramePool,
  withPackages,
  type CodeSource,
  type LoadPackage,
} from "../runner/index.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { AgenticJob } from "../train/job.ts";
import type { RunHosts } from "../train/rollout-batch.ts";

/** Leaves out of all timeouts what the machine slept. */
export const workerClock = awakeClock({
  now: () => Date.now(),
  setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
  clearTimeout: (timer) => {
    clearTimeout(timer as number);
  },
});

let frames: FramePool | null = null;

/** The page lends the frames that agents and rewards run in; until then no agent can. */
export function provideFrames(port: MessagePort): void {
  frames = new FramePool({ supply: port, clock: workerClock });
}

const texts = new Map<string, Promise<string | null>>();
let load: LoadPackage = () => Promise.resolve(null);

/** The page lends the packages that agents and rewards import; each is asked for once. */
export function providePackages(lent: LoadPackage): void {
  load = lent;
}

const packed = (source: CodeSource): Promise<CodeSource> =>
  withPackages(source, (name) => {
    let text = texts.get(name);
    if (!text) {
      text = load(name);
      texts.set(name, text);
      text.catch(() => texts.delete(name));
    }
    return text;
  });

function lentFrames(): FramePool {
  if (frames) return frames;
  throw new FulguriteError(
    "runner/no-frames",
    "The page has lent no frames for agents to run in.",
    "Reload the page.",
  );
}

/** Agents and reward of a job, in sandboxed frames. */
export async function frameHosts({ agent, reward }: Pick<AgenticJob, "agent" | "reward">): Promise<RunHosts> {
  const pool = lentFrames();
  const host = createFrameAgentHost({ frames: pool, source: await packed(agent), clock: workerClock });
  const rewards = createFrameRewardHost({ frames: pool, source: await packed(reward), clock: workerClock });
  return {
    agents: [host],
    reward: rewards,
    dispose: () => {
      host.dispose();
      rewards.dispose();
    },
  };
}

/** A reward alone, for re-scoring. */
export const frameRewardHost = async (source: AgenticJob["reward"]): Promise<RunHosts["reward"]> =>
  createFrameRewardHost({ frames: lentFrames(), source: await packed(source), clock: workerClock });

const channel = new MessageChannel();
const flushes: (() => void)[] = [];
channel.port1.onmessage = () => flushes.shift()?.();

/** A later macrotask, without the delay that timers have. */
export function defer(flush: () => void): void {
  flushes.push(flush);
  channel.port2.postMessage(null);
}
