import { expect, test } from "vitest";
import type { ModelCall } from "../gateway/model-call.ts";
import type { AgentHost, AttemptEnd, AttemptRequest } from "./agent-host.ts";
import { RolloutController, type FinishedAttempt, type RolloutLimits } from "./rollout-controller.ts";

const clock = {
  now: () => performance.now(),
  setTimeout: (run: () => void, milliseconds: number) => setTimeout(run, milliseconds),
  clearTimeout: (timer: unknown) => {
    clearTimeout(timer as NodeJS.Timeout);
  },
};
const gateway = {
  handle: () => Promise.resolve({ status: 200, headers: {}, body: "{}" }),
};
const failed = (reason: (AttemptEnd & { ok: false })["reason"]): AttemptEnd => ({
  ok: false,
  reason,
  message: reason,
  line: 3,
});

/** A host whose attempts end as `play` says; counts how many run at once. */
function scripted(play: (request: AttemptRequest, running: number) => Promise<AttemptEnd>, slots = 4) {
  const host = {
    slots,
    running: 0,
    most: 0,
    async run(request: AttemptRequest): Promise<AttemptEnd> {
      host.most = Math.max(host.most, ++host.running);
      request.onStart();
      const ended = new Promise<AttemptEnd>((resolve) => {
        request.signal.addEventListener("abort", () => {
          resolve(failed("cancelled"));
        });
      });
      const end = await Promise.race([play(request, host.running), ended]);
      host.running--;
      return end;
    },
    dispose: () => undefined,
  };
  return host satisfies AgentHost;
}

async function collect(
  host: AgentHost,
  count: number,
  limits: Partial<RolloutLimits>,
  signal?: AbortSignal,
): Promise<{ attempts: FinishedAttempt[]; failures: Readonly<Record<string, number>> }> {
  const controller = new RolloutController({ hosts: [host], gateway, clock, mode: "train", limits });
  const tasks = Array.from({ length: count }, (_, i) => ({ rolloutId: `r${i}`, task: i, sample: i % 8 }));
  const attempts: FinishedAttempt[] = [];
  for await (const attempt of controller.run(tasks, signal)) attempts.push(attempt);
  return { attempts, failures: controller.failures };
}
const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

test("every rollout ends once, at most so many at a time", async () => {
  const host = scripted(async ({ task }) => {
    await pause();
    return { ok: true, result: task };
  });
  const { attempts, failures } = await collect(host, 20, { concurrency: 3 });
  expect(attempts.map(({ result }) => result).sort((a, b) => Number(a) - Number(b))).toEqual(
    Array.from({ length: 20 }, (_, i) => i),
  );
  expect(
    attempts.every(({ final, status, reason }) => final && status === "succeeded" && reason === null),
  ).toBe(true);
  expect([host.most, failures]).toEqual([3, {}]);
});

test("a failure is tried again up to the limit, counted, and has no result", async () => {
  const host = scripted(async ({ identity }) => {
    await pause();
    if (identity.rolloutId === "r0") return failed("threw");
    if (identity.rolloutId === "r1") return failed("load-failed");
    return identity.attemptId === "r2.1" ? failed("worker-lost") : { ok: true, result: 1 };
  });
  const { attempts, failures } = await collect(host, 3, { maxAttempts: 3 });
  const of = (id: string) =>
    attempts
      .filter(({ rolloutId }) => rolloutId === id)
      .map(({ attemptId, reason, final }) => [attemptId, reason, final]);
  expect(of("r0")).toEqual([
    ["r0.1", "threw", false],
    ["r0.2", "threw", false],
    ["r0.3", "threw", true],
  ]);
  expect(of("r1")).toEqual([["r1.1", "load-failed", true]]);
  expect(of("r2")).toEqual([
    ["r2.1", "worker-lost", false],
    ["r2.2", null, true],
  ]);
  expect(failures).toEqual({ threw: 3, "load-failed": 1, "worker-lost": 1 });
  expect(attempts[0]).toMatchObject({ result: undefined });
});

test("time counts from the attempt's start, and what takes too long is ended", async () => {
  const host = scripted(() => new Promise(() => undefined));
  const begun = performance.now();
  const { attempts, failures } = await collect(host, 2, { timeout: 30, maxAttempts: 2 });
  expect(performance.now() - begun).toBeLessThan(1000);
  expect(attempts.map(({ status, reason, final }) => [status, reason, final])).toEqual([
    ["timeout", "timed-out", false],
    ["timeout", "timed-out", false],
    ["timeout", "timed-out", true],
    ["timeout", "timed-out", true],
  ]);
  expect(failures).toEqual({ "timed-out": 4 });
});

test("what an agent says bears the time it gives, where that is possible, and calls stand among it", async () => {
  const chat = { method: "POST", path: "/v1/chat/completions", headers: {}, body: "{}" };
  let before = 0;
  const host = scripted(async ({ onEmission, onFetch }) => {
    const { signal } = new AbortController();
    before = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 5));
    onEmission({ kind: "emit", name: "said before", value: 1, time: before });
    await onFetch({ ...chat, method: "GET", path: "/v1/models" }, signal, 0);
    await onFetch(chat, signal, 0);
    onEmission({ kind: "emit", name: "too early", value: 2, time: 0 });
    await onFetch(chat, signal, 4);
    onEmission({ kind: "log", name: "too late", value: 3, time: before + 1e9 });
    return { ok: true, result: 1 };
  });
  const {
    attempts: [attempt],
  } = await collect(host, 1, {});
  const { emissions, startTime, endTime } = attempt!;
  expect(emissions.map(({ kind, name, value }) => [kind, name, value])).toEqual([
    ["emit", "said before", 1],
    ["call", "0", 0],
    ["emit", "too early", 2],
    ["call", "4", 1],
    ["log", "too late", 3],
  ]);
  expect(emissions[0]!.time).toBe(before);
  expect(emissions[2]!.time).toBe(startTime);
  expect(emissions[4]!.time).toBeLessThanOrEqual(endTime);
});

test("more calls than allowed end the attempt; a throw after a failed call is the model's error", async () => {
  const request = { method: "POST", path: "/v1/completions", headers: {}, body: "{}" };
  const host = scripted(async ({ identity, onFetch }) => {
    const { signal } = new AbortController();
    for (let i = 0; i < (identity.rolloutId === "r0" ? 10 : 1); i++) await onFetch(request, signal, 0);
    return failed("threw");
  });
  let asked = 0;
  const controller = new RolloutController({
    hosts: [host],
    gateway: {
      handle: (_, { onCall }) => {
        asked++;
        onCall?.({ status: "failed" } as ModelCall);
        return Promise.resolve({ status: 503, headers: {}, body: "{}" });
      },
    },
    clock,
    mode: "train",
    limits: { maxCalls: 4, maxAttempts: 1 },
  });
  const attempts: FinishedAttempt[] = [];
  for await (const attempt of controller.run(
    ["r0", "r1"].map((rolloutId) => ({ rolloutId, task: 0, sample: 0 })),
  )) {
    attempts.push(attempt);
  }
  expect(
    new Map(attempts.map(({ rolloutId, reason, calls }) => [rolloutId, [reason, calls.length]])),
  ).toEqual(
    new Map([
      ["r0", ["too-many-calls", 4]],
      ["r1", ["model-error", 1]],
    ]),
  );
  expect(asked).toBe(5);
});

test("who was beside a lost frame waits, runs alone, and is forgiven once", async () => {
  const alone: number[] = [];
  let burst = false;
  const host = scripted(async ({ identity }, running) => {
    const guilty = identity.rolloutId === "r1";
    if (!identity.attemptId.endsWith(".1")) alone.push(running);
    await pause();
    if (guilty) burst = true;
    // The first four share the frame that r1 takes down.
    if (guilty || (burst && identity.attemptId.endsWith(".1") && "r0 r2 r3".includes(identity.rolloutId))) {
      return failed("frame-lost");
    }
    return { ok: true, result: 1 };
  });
  const { attempts } = await collect(host, 12, { maxAttempts: 1 });
  const final = attempts.filter((attempt) => attempt.final);
  expect(final).toHaveLength(12);
  expect(final.filter(({ reason }) => reason !== null).map(({ attemptId }) => attemptId)).toEqual(["r1.2"]);
  expect(alone.length).toBeGreaterThanOrEqual(3);
  expect(new Set(alone)).toEqual(new Set([1]));
});

test("stopping the run ends what runs and yields the rest as cancelled", async () => {
  const stop = new AbortController();
  const host = scripted(({ identity }) => {
    if (identity.rolloutId === "r1") setTimeout(() => stop.abort(), 5);
    return new Promise(() => undefined);
  }, 2);
  const { attempts, failures } = await collect(host, 6, {}, stop.signal);
  expect(attempts.map(({ status, final }) => [status, final])).toEqual(
    Array.from({ length: 6 }, () => ["cancelled", true]),
  );
  expect(failures).toEqual({ cancelled: 6 });
  expect(host.running).toBe(0);
});

test("where a host cannot run anything, the run fails instead of every rollout", async () => {
  const host = scripted(() => new Promise(() => undefined));
  let tries = 0;
  const without: AgentHost = {
    ...host,
    run: (request) =>
      ++tries === 3 ? Promise.reject(new Error("no frame to run code in")) : host.run(request),
  };
  await expect(collect(without, 6, {})).rejects.toThrow("no frame");
  expect(host.running).toBe(0);
});
