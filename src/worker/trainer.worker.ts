import * as Comlink from "comlink";
import { RolloutPages } from "./rollout-pages.ts";
import { environmentOfHost, isHostReference, type HostStepper } from "../env/host-environment.ts";
import { asFulguriteError, FulguriteError } from "../gpu/error.ts";
import { environmentsOver } from "../notebook/environment-port.ts";
import { openStore } from "../store/open.ts";
import type { LightningStore } from "../store/records.ts";
import { checkDefinition } from "../train/check-definition.ts";
import { chooseEngine, engines, offerThreads, probeVariants, sharedDevice } from "../train/create-engine.ts";
import { equalRun } from "../train/equal-run.ts";
import { rescore } from "../train/rescore.ts";
import { Trainer } from "../train/trainer.ts";
import { runId } from "../trace/ids.ts";
import type { Job } from "../train/job.ts";
import type { Reply, TrainerApi } from "./api.ts";
import { exportRun } from "./export-run.ts";
import { importRun } from "./import-run.ts";
import { reach } from "./reach.ts";
import { workerThreads } from "./threads.ts";
import {
  defer,
  frameHosts,
  frameRewardHost,
  provideFrames,
  providePackages,
  workerClock,
} from "./frame-hosts.ts";

offerThreads(workerThreads());
let pages: RolloutPages | null = null;

/** False in a page that the browser gives no storage, such as a frame of another site: what it stores goes with it. */
let keeps = true;

async function openPagesStore(): Promise<LightningStore> {
  try {
    return await openStore({});
  } catch (error) {
    if (!(error instanceof FulguriteError) || error.code !== "store/unavailable") throw error;
    keeps = false;
    return openStore({ backend: "memory" });
  }
}

/** The trainer realm: the GPU device and the store live here; the page reaches it only through this surface. */
const ready = openPagesStore().then((store) => {
  store.subscribe(({ runId, removed }) => {
    if (removed && runId !== null) pages?.forget(runId);
  });
  return new Trainer({
    store,
    ...engines,
    createHosts: frameHosts,
    clock: workerClock,
    defer,
    now: () => Date.now(),
    slept: () => workerClock.slept(),
    randomBytes: (bytes) => crypto.getRandomValues(bytes),
    // Without storage nothing is shared with other tabs, and the browser refuses locks, too.
    locks: keeps ? navigator.locks : null,
    platform: navigator.userAgent,
    onIdle: () => probeVariants(store, () => performance.now()),
  });
});

async function reply<T>(work: (trainer: Trainer) => T | Promise<T>): Promise<Reply<T>> {
  try {
    return { ok: true, value: await work(await ready) };
  } catch (error) {
    return { ok: false, error: asFulguriteError(error).toData() };
  }
}

const watches = new Map<number, () => void>();
let nextWatch = 1;

/**
 * Starts or resumes a run; one in a host environment is given a stepper over the port, which is closed when the run is over.
 * `launch` resolves with the run's id.
 */
async function withHost(
  trainer: Trainer,
  job: Job,
  port: MessagePort | null,
  launch: (host: HostStepper | null) => Promise<string>,
): Promise<string> {
  if (!port || job.kind !== "simulated" || !isHostReference(job.environment)) {
    port?.close();
    return launch(null);
  }
  const end = (): void => {
    port.close();
  };
  try {
    const id = await launch(environmentsOver(port, job.environment, { clock: workerClock }));
    void trainer.result(id).then(end, end);
    return id;
  } catch (error) {
    end();
    throw error;
  }
}

/** Resumes, or takes one update of, a run that may be from before a reload. */
async function goOn(
  trainer: Trainer,
  id: string,
  port: MessagePort | null,
  how: "resume" | "step",
): Promise<void> {
  const run = trainer.isLive(id) ? undefined : await trainer.store.run(id);
  if (!run) {
    port?.close();
    return trainer[how](id);
  }
  const job = run.job as Job;
  await withHost(trainer, job, port, async (host) => {
    // A run whose environment is not to be had stays paused: nothing of it has failed.
    if (job.kind === "simulated" && isHostReference(job.environment)) {
      await (host ?? environmentOfHost(job.environment).host!).save(new Int32Array());
    }
    await trainer[how](id, host);
    return id;
  });
}

const api: TrainerApi = {
  start: (job, owner, environments) =>
    reply((trainer) => withHost(trainer, job, environments, (host) => trainer.start(job, owner, host))),
  trained: (job, owner) => reply((trainer) => equalRun(job, owner, trainer.store)),
  pause: (id) => reply((trainer) => trainer.pause(id)),
  resume: (id, environments) => reply((trainer) => goOn(trainer, id, environments, "resume")),
  step: (id, environments) => reply((trainer) => goOn(trainer, id, environments, "step")),
  stop: (id) => reply((trainer) => trainer.stop(id)),
  goBack: (id) => reply((trainer) => trainer.goBack(id)),
  loadCheckpoint: (id, file) => reply((trainer) => trainer.load(id, file)),
  deleteRun: (id) => reply((trainer) => trainer.deleteRun(id)),
  runs: (query) => reply((trainer) => trainer.runs(query)),
  watch: (id, listener) =>
    reply(async (trainer) => {
      const stop = await trainer.watch(id, listener);
      const watch = nextWatch++;
      watches.set(watch, stop);
      return watch;
    }),
  unwatch: (watch) => {
    watches.get(watch)?.();
    watches.delete(watch);
    return Promise.resolve();
  },
  rollouts: (query) => reply((trainer) => trainer.store.rollouts(query)),
  spans: (query) => reply((trainer) => trainer.store.spans(query)),
  rolloutPage: (query) =>
    reply((trainer) => {
      pages ??= new RolloutPages(trainer.store);
      return pages.page(query);
    }),
  exportRun: (request) => reply((trainer) => exportRun(trainer.store, request)),
  importRun: (file) =>
    reply((trainer) => {
      const random = crypto.getRandomValues(new Uint8Array(10));
      const now = Date.now();
      return importRun(trainer.store, file, runId(now, random), now);
    }),
  resources: (id) =>
    reply(async ({ store }) =>
      id === null ? (await store.resources.find()).items : store.resources.versions(id),
    ),
  workers: () => reply(async ({ store }) => (await store.workers.find()).items),
  follow: (listener) =>
    reply(({ store }) => {
      const watch = nextWatch++;
      watches.set(watch, store.subscribe(listener));
      return watch;
    }),
  usage: () => reply((trainer) => trainer.store.usage()),
  problems: () => reply((trainer) => trainer.store.problems()),
  retain: (retention) => reply((trainer) => trainer.store.retain(retention)),
  deleteRollouts: (id, numbers) => reply((trainer) => trainer.store.deleteRollouts(id, numbers)),
  saveWorkspace: () =>
    reply(async (trainer) => {
      const pieces: Blob[] = [];
      // A blob's bytes are kept by the browser, not in this worker's memory.
      for await (const piece of trainer.store.saveWorkspace()) pieces.push(new Blob([piece]));
      return new Blob(pieces, { type: "application/octet-stream" });
    }),
  openWorkspace: (file) => reply((trainer) => trainer.store.openWorkspace(file)),
  rescore: (id, source) =>
    reply(async (trainer) => {
      const host = await frameRewardHost(source);
      try {
        return await rescore(trainer.store, id, host);
      } finally {
        host.dispose();
      }
    }),
  checkDefinition: (definition) => reply(async () => checkDefinition(await sharedDevice(), definition)),
  complete: (request) => reply((trainer) => trainer.complete(request)),
  provideFrames: (port) => {
    provideFrames(port);
    return Promise.resolve();
  },
  providePackages: (load) => {
    providePackages(load);
    return Promise.resolve();
  },
  device: () => reply(() => chooseEngine()),
  keeps: () => reply(() => keeps),
  reach: (url) => reply(() => reach(url)),
  setting: (key) => reply((trainer) => trainer.store.setting(key)),
  setSetting: (key, value) => reply((trainer) => trainer.store.setSetting(key, value)),
};

Comlink.expose(api);
