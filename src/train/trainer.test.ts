import { beforeEach, describe, expect, test } from "vitest";
import { cpuTrainer } from "../../test/support/cpu-trainer.ts";
import { cartPole } from "../env/cartpole.ts";
import { FulguriteError } from "../gpu/error.ts";
import { createCpuEngine } from "../rl/cpu-engine.ts";
import type { TrainingState } from "../rl/engine.ts";
import { ppoLagrangian } from "../rl/ppo-lagrangian.ts";
import { ppo } from "../rl/ppo.ts";
import { makeRun, updates } from "../../test/store/contract.ts";
import { FaultyStorage } from "../../test/store/faulty-storage.ts";
import { TransactionalStore } from "../store/lightning-store.ts";
import { MemoryStorage } from "../store/memory-storage.ts";
import { openStore } from "../store/open.ts";
import type { LightningStore } from "../store/records.ts";
import type { RunEvent } from "./events.ts";
import type { RewardSource, SimulatedJob } from "./job.ts";
import { simulatedJob } from "./simulated-job.ts";
import type { Trainer, TrainerOptions } from "./trainer.ts";

const owner = { notebook: "test", cell: "run" };
const algorithm = ppo({ envs: 4, steps: 16, minibatchSize: 32, epochs: 2, totalSteps: 4 * 16 * 40 });
const reward = (source: string): RewardSource => ({ source, constants: {}, line: 1 });
const job = (change: Partial<SimulatedJob> = {}): SimulatedJob => ({
  ...simulatedJob({ env: cartPole(), algorithm, seed: 7, engine: "cpu" }),
  ...change,
});

let store: LightningStore;
const trainer = (options: Partial<TrainerOptions> = {}): Trainer => cpuTrainer(store, options);

const finalParameters = async (id: string): Promise<Float32Array> =>
  ((await store.checkpoint(id))!.state as TrainingState).parameters;

beforeEach(async () => {
  store = await openStore({ backend: "memory" });
});

describe("on a full disk", () => {
  const begun = async (reading: (event: RunEvent) => void, other: string | null) => {
    const disk = new FaultyStorage(new MemoryStorage());
    disk.estimate = () => Promise.resolve({ bytes: 5e9, quota: 5e9, persisted: false });
    store = new TransactionalStore(disk);
    if (other !== null)
      await store.commit({ run: makeRun(other, { name: "Large" }), spans: updates(other, 1, 300) });
    let submitted = 0;
    let clock = Date.now();
    const it = trainer({
      createEngine: async (request) => {
        const engine = await createCpuEngine(request);
        const submit = engine.submit.bind(engine);
        return Object.assign(engine, {
          submit: () => {
            if (++submitted === 13) disk.full = true;
            return submit();
          },
        });
      },
      now: () => (clock += 400),
    });
    const id = await it.start(job(), owner);
    const waits = new Promise<string>((resolve) => {
      void it.watch(id, (event) => {
        reading(event);
        if (event.kind === "progress" && event.progress.phase === "paused")
          resolve(event.progress.reason ?? "");
      });
    });
    return { it, id, disk, reason: await waits };
  };

  test("the run pauses, names the largest runs, and goes on by itself once one was deleted, to the same bits", async () => {
    const whole = trainer();
    const wholeId = await whole.start(job(), owner);
    await whole.result(wholeId);
    const parameters = await finalParameters(wholeId);

    const failures: RunEvent[] = [];
    const { it, id, disk, reason } = await begun((event) => {
      if (event.kind === "failed") failures.push(event);
    }, "large");
    expect(reason).toMatch(/used up \(5\.0 GB in use\)\. Delete runs.*"Large" \(\d+ kB, large\)/);
    expect(await store.run(id)).toMatchObject({ status: "running" });
    // Resuming while there is no room waits again.
    await it.resume(id);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await store.run(id))!.update).toBeLessThan(13);
    // What was deleted counts for a while; the run waits until it does not.
    await store.deleteRun("large");
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect((await store.run(id))!.update).toBeLessThan(13);
    disk.full = false;
    expect(await it.result(id)).toMatchObject({ status: "succeeded", update: 40 });
    expect(failures).toEqual([]);
    expect(await store.run(id)).toMatchObject({ status: "succeeded", reason: null });
    const kept = await store.spans({ runId: id, name: "fulgurite.update" });
    expect(kept.map(({ attributes }) => attributes["update"])).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    expect(await finalParameters(id)).toEqual(parameters);
  });

  test("the run that waits for room can itself be deleted", async () => {
    const { it, id } = await begun(() => undefined, null);
    await it.deleteRun(id);
    expect(await store.runs()).toEqual([]);
  });

  test("what another page left running is shown as paused, and can be deleted, too", async () => {
    const disk = new FaultyStorage(new MemoryStorage());
    store = new TransactionalStore(disk);
    await store.commit({ run: makeRun("left", { status: "running", job: job() }) });
    disk.full = true;
    const it = trainer();
    expect(await it.runs({})).toMatchObject([{ id: "left", status: "paused" }]);
    const seen: RunEvent[] = [];
    await it.watch("left", (event) => seen.push(event));
    expect(seen[0]).toMatchObject({ progress: { status: "paused", reason: /page was closed.*used up/ } });
    await expect(it.start(job(), owner)).rejects.toMatchObject({ code: "store/full" });
    await it.deleteRun("left");
    expect(await it.runs({})).toEqual([]);
  });
});

describe("a run", () => {
  test("records what it was started with, a version for each change, and its weights", async () => {
    const it = trainer();
    const started = async (change: Partial<SimulatedJob>) => {
      const id = await it.start(job(change), owner);
      await it.result(id);
      return (await store.run(id))!;
    };
    const first = await started({});
    const same = await started({ seed: 8 });
    const other = await started({ reward: reward("(s) => -s.x * s.x") });
    expect([first, same, other].map((run) => run.resources)).toEqual(
      [1, 1, 2].map((version) => ({ id: "job/test/run", version })),
    );
    const set = await store.resources.get("job/test/run");
    expect(set?.resources["reward"]).toMatchObject({ role: "reward", source: "(s) => -s.x * s.x" });
    const weights = await store.resources.get(`${other.id}/weights`);
    expect(weights?.resources["policy"]).toMatchObject({ type: "weights", update: 40, step: 2560 });
    expect(weights?.version).toBeGreaterThan(0);
    await it.deleteRun(other.id);
    expect(await store.resources.get(`${other.id}/weights`)).toBeUndefined();
  });

  test("ends with its spans, curve and checkpoint in the store", async () => {
    const it = trainer();
    const id = await it.start(job(), owner);
    const result = await it.result(id);
    expect(result).toMatchObject({ status: "succeeded", engine: "cpu", update: 40, step: 2560 });
    const run = (await store.run(id))!;
    expect(run).toMatchObject({ status: "succeeded", update: 40, updates: 40, step: 2560 });
    expect(run.metrics["evaluation.greedy.mean"]).toBeGreaterThan(0);
    const updates = await store.spans({ runId: id, name: "fulgurite.update" });
    expect(updates.map((span) => span.attributes["update"])).toEqual(
      Array.from({ length: 40 }, (_, i) => i + 1),
    );
    const events: RunEvent[] = [];
    await it.watch(id, (event) => events.push(event));
    const curve = events.find((event) => event.kind === "curve")!.curve;
    expect(curve.step).toHaveLength(40);
    expect(curve.evaluations.step).toHaveLength(20);
    expect(events.find((event) => event.kind === "episode")?.episode.environmentReturn).toBeGreaterThan(0);
  });

  test("leaves out of its time what the machine slept, and says so", async () => {
    let [clock, slept, submitted] = [1e12, 0, 0];
    const it = trainer({
      createEngine: async (request) => {
        const engine = await createCpuEngine(request);
        const submit = engine.submit.bind(engine);
        return Object.assign(engine, {
          submit: () => {
            if (++submitted === 13) [clock, slept] = [clock + 3_600_000, slept + 3_600_000];
            return submit();
          },
        });
      },
      now: () => (clock += 10),
      slept: () => slept,
    });
    const id = await it.start(job(), owner);
    await it.result(id);
    const run = (await store.run(id))!;
    expect(run.activeTime).toBeGreaterThan(0);
    expect(run.activeTime).toBeLessThan(60_000);
    expect(run.reason).toMatch(/slept for 60 min/);
  });

  test("left behind by a closed tab goes on to the same bits", async () => {
    const whole = trainer();
    const wholeId = await whole.start(job(), owner);
    await whole.result(wholeId);

    // The first tab stops answering after some updates, wherever it is; it never says goodbye.
    let submitted = 0;
    const closing = trainer({
      createEngine: async (request) => {
        const engine = await createCpuEngine(request);
        const submit = engine.submit.bind(engine);
        return Object.assign(engine, {
          submit: () => (++submitted > 13 ? new Promise<void>(() => undefined) : submit()),
        });
      },
      now: () => (clock += 400),
    });
    let clock = Date.now();
    const id = await closing.start(job(), owner);
    while (submitted <= 13) await new Promise((resolve) => setTimeout(resolve, 5));

    const reopened = trainer();
    const [run] = await reopened.runs({ notebook: "test" });
    expect(run).toMatchObject({ id, status: "paused" });
    expect(run!.update).toBeGreaterThanOrEqual(11);
    expect(run!.update).toBeLessThan(14);
    await reopened.resume(id);
    await reopened.result(id);
    expect(await finalParameters(id)).toEqual(await finalParameters(wholeId));
    const curveOf = async (runId: string): Promise<unknown[]> =>
      (await store.spans({ runId })).map((span) => [span.sequence, span.name, span.attributes]);
    expect(await curveOf(id)).toEqual(await curveOf(wholeId));
  });

  test("pauses, steps one update, resumes and can be cancelled", async () => {
    const it = trainer();
    const id = await it.start(job(), owner);
    const seen: { status: string; update: number }[] = [];
    await it.watch(id, (event) => {
      if (event.kind === "progress") seen.push(event.progress);
    });
    const paused = async (): Promise<number> => {
      for (;;) {
        const last = seen.at(-1);
        if (last?.status === "paused") return last.update;
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    };
    await it.pause(id);
    const before = await paused();
    seen.length = 0;
    await it.step(id);
    expect(await paused()).toBe(before + 1);
    await it.resume(id);
    await it.stop(id);
    expect((await it.runs({}))[0]!.status).toMatch(/cancelled|succeeded/);
  });

  test("stops on a reward that is not finite, says which, and keeps its last checkpoint", async () => {
    const it = trainer();
    const id = await it.start(job({ reward: reward("(s, a, next) => 1 / (next.x - next.x)") }), owner);
    const error = await it.result(id).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(FulguriteError);
    expect(error).toMatchObject({
      code: "train/not-finite",
      message: expect.stringMatching(
        /^rewardMean became .* in update 1;.* The first was a reward of .*: environment 0, action [01] in the state x -?0\.\d+, .*theta.*; then x /,
      ) as string,
    });
    expect((await store.run(id))!.status).toBe("failed");
    expect((await finalParameters(id)).every(Number.isFinite)).toBe(true);
  });

  test("names environment and state of a reward that breaks late, and goes back to its last good checkpoint", async () => {
    // All of it in less than a second.
    let clock = Date.now();
    const it = trainer({ now: () => clock++ });
    // Somebody's pole leans this far sooner or later, with this seed not in the first update.
    const late = "(s, a, next) => 1 + 0 * Math.sqrt(0.2 - Math.abs(next.theta))";
    const id = await it.start(job({ reward: reward(late), seed: 2 }), owner);
    const error = await it.result(id).catch((thrown: unknown) => thrown as FulguriteError);
    expect(error).toMatchObject({ code: "train/not-finite" });
    const [, what, theta] = /The first was a (\w+) of NaN: .*; then .*theta (-?[\d.]+)/.exec(
      (error as FulguriteError).message,
    )!;
    expect(what).toBe("reward");
    expect((error as FulguriteError).fix).toMatch(/negative number in the reward\.$/);
    expect(Math.abs(Number(theta))).toBeGreaterThan(0.2);
    const failed = (await store.run(id))!;
    const good = (await store.checkpoint(id))!;
    expect(good.update).toBeGreaterThan(0);
    expect(good.update).toBe(failed.update);
    const events: RunEvent[] = [];
    await it.watch(id, (event) => events.push(event));
    // Whoever looks at it later reads what to do, as who saw it fail did.
    expect(events.at(-1)).toEqual({ kind: "failed", error: (error as FulguriteError).toData() });
    await it.goBack(id);
    expect((await store.run(id))!.failure).toBeUndefined();
    expect(await store.run(id)).toMatchObject({ status: "paused", update: good.update });
    expect(events.at(-1)).toMatchObject({ kind: "episode", episode: { update: good.update } });
    // It is a run like any other now: it can be resumed, and here fails again where it did.
    await it.resume(id);
    const again = await it.result(id).catch((thrown: unknown) => thrown as FulguriteError);
    expect((again as FulguriteError).message).toBe((error as FulguriteError).message);
    // Only what has failed goes back.
    const done = await it.start(job(), owner);
    await it.result(done);
    await expect(it.goBack(done)).rejects.toMatchObject({ code: "train/not-failed" });
  });

  test("stops where the policy is thrown away, says in which update, and keeps its last checkpoint", async () => {
    const it = trainer();
    const wild = ppo({
      ...{ envs: 4, steps: 16, minibatchSize: 32, epochs: 2, totalSteps: 4 * 16 * 40 },
      ...{ learningRate: 10, clip: 10, maxGradientNorm: 1e6 },
    });
    const id = await it.start(job({ algorithm: wild }), owner);
    const error = await it.result(id).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "train/diverged",
      message: expect.stringMatching(/^Update \d+ moved the policy/) as string,
    });
    expect((await store.run(id))!.status).toBe("failed");
  });

  test("limits a cost, and says what its multiplier was", async () => {
    const it = trainer();
    const limited = ppoLagrangian({
      ...{ envs: 4, steps: 16, minibatchSize: 32, epochs: 2, totalSteps: 4 * 16 * 40 },
      ...{ costLimit: 0, control: { kind: "ascent", rate: 0.1 } },
    });
    const id = await it.start(job({ algorithm: limited, cost: reward("(s, a, next) => a") }), owner);
    await it.result(id);
    const updates = await store.spans({ runId: id, name: "fulgurite.update" });
    const last = updates.at(-1)!.attributes;
    expect(last["multiplier"]).toBeGreaterThan(1);
    expect(last["episodeCost"]).toBeGreaterThan(0);
    expect(() => simulatedJob({ env: cartPole(), algorithm: limited })).toThrow(/no cost/);
  });

  test.each([
    [{ env: cartPole as never }, "`env` is a function."],
    [{ env: { name: "Own", state: ["x"] } as never }, "`env` is what an environment is defined by."],
    [{ env: cartPole(), algorithm: ppo as never }, "`algorithm` is no algorithm."],
    [{ env: cartPole(), rewards: "(s) => 1" } as never, 'train() has no option "rewards" in an environment.'],
  ])("is not begun with %o", (options, message) => {
    expect(() => simulatedJob(options)).toThrow(message);
  });

  test("pins variant and platform, and says where they have changed; tells its memory before it has it", async () => {
    const asked: (string | null)[] = [];
    const idle: number[] = [];
    const gpuLike = (platform: string, variant: string): Trainer =>
      trainer({
        platform,
        createEngine: async (request, _, terms) => {
          asked.push(terms.variant);
          terms.onMemory(12_345);
          return Object.assign(await createCpuEngine(request), { variant });
        },
        onIdle: () => Promise.resolve(void idle.push(1)),
      });
    const first = gpuLike("Chrome/1", "registers");
    const id = await first.start(job(), owner);
    const seen: RunEvent[] = [];
    await first.watch(id, (event) => seen.push(event));
    await first.pause(id);
    while ((await store.run(id))!.status !== "paused") await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await store.run(id)).toMatchObject({ variant: "registers", platform: "Chrome/1", reason: null });
    const told = seen.flatMap((event) => (event.kind === "progress" ? [event.progress] : []));
    expect(told.find(({ phase }) => phase === "compiling")?.memoryBytes ?? told.at(-1)!.memoryBytes).toBe(
      12_345,
    );

    const second = gpuLike("Chrome/2", "tiled");
    await second.resume(id);
    await second.result(id);
    expect(asked).toEqual([null, "registers"]);
    expect((await store.run(id))!.reason).toMatch(/variant tiled, not registers.*no longer bit for bit/);
    const third = gpuLike("Chrome/2", "registers");
    const other = await third.start(job(), owner);
    await third.result(other);
    expect((await store.run(other))!.reason).toBeNull();
    expect(idle.length).toBe(2);
  });

  test("survives a lost device with the same bits", async () => {
    const whole = trainer();
    const wholeId = await whole.start(job(), owner);
    await whole.result(wholeId);
    let losses = 0;
    const losing = trainer({
      createEngine: async (request) => {
        const engine = await createCpuEngine(request);
        if (losses++ >= 2) return engine;
        let lose: (reason: string) => void;
        const lost = new Promise<string>((resolve) => (lose = resolve));
        const submit = engine.submit.bind(engine);
        let submits = 0;
        Object.defineProperty(engine, "lost", { value: lost });
        return Object.assign(engine, {
          submit: () => {
            if (++submits < 9) return submit();
            lose("unplugged");
            return new Promise<void>(() => undefined);
          },
        });
      },
    });
    const id = await losing.start(job(), owner);
    await losing.result(id);
    expect(losses).toBe(3);
    expect(await finalParameters(id)).toEqual(await finalParameters(wholeId));
  });
});
