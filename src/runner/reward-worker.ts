import type { FromWorker, RewardItem, ToWorker, WorkerStart } from "./protocol.ts";
import type { ItemScore } from "./score-item.ts";

/**
 * Runtime of a reward's worker, called before any of the reward's code. It travels as source, with `scoreItem`, so
 * everything it uses is inside it. The code is evaluated anew for every batch; items are scored one after another
 * and reported one by one, so that the trainer knows which one did not end.
 */
export function rewardWorker(
  prepare: () => (...values: readonly unknown[]) => unknown,
  scoreItem: (reward: unknown, item: RewardItem) => Promise<ItemScore>,
): void {
  const scope = globalThis as unknown as Record<string, unknown> & {
    onmessage: ((event: MessageEvent) => void) | null;
  };
  const { structuredClone, String, Number } = globalThis;

  const thrown = (error: unknown): { name: string; message: string; line: number } => {
    try {
      const { name, message, stack } = (error ?? {}) as Partial<Error>;
      const line = /fulgurite-cell\.js:(\d+)/.exec(String(stack))?.[1];
      return {
        name: typeof name === "string" ? name.slice(0, 100) : "Error",
        message: (typeof message === "string" ? message : String(error)).slice(0, 4000),
        line: line === undefined ? 0 : Number(line),
      };
    } catch {
      return { name: "Error", message: "something that cannot be shown was thrown", line: 0 };
    }
  };

  scope.onmessage = ({ data, ports }: MessageEvent) => {
    scope.onmessage = null;
    const port = ports[0]!;
    const send = port.postMessage.bind(port) as (message: FromWorker) => void;
    const { values } = data as WorkerStart;
    for (const name of ["postMessage", "Worker", "BroadcastChannel", "WebSocket", "EventSource", "close"]) {
      Reflect.deleteProperty(scope, name);
    }
    scope.defineReward = (...args: readonly unknown[]) => args.at(-1);
    let evaluate: (...values: readonly unknown[]) => unknown;
    try {
      evaluate = prepare();
    } catch (error) {
      send({ kind: "unprepared", error: thrown(error) });
      return;
    }
    port.onmessage = async (event: MessageEvent<ToWorker>) => {
      const message = event.data;
      if (message.kind !== "score") return;
      const { run, items } = message;
      let reward: unknown;
      let broken: { error: unknown } | null = null;
      try {
        reward = evaluate(...structuredClone(values));
      } catch (error) {
        broken = { error };
      }
      for (const [index, item] of items.entries()) {
        try {
          if (broken) throw broken.error;
          send({ kind: "scored", run, index, ...(await scoreItem(reward, item)) });
        } catch (error) {
          send({ kind: "unscored", run, index, error: thrown(error) });
        }
      }
    };
    send({ kind: "ready" });
  };
}
