import * as Comlink from "comlink";
import { RolloutPages } from "./rollout-pages.ts";
import { lendHost } from "../env/host-environment.ts";
import { asFulguriteError } from "../gpu/error.ts";
import { environmentsOver } from "../notebook/environment-port.ts";
import { openStore } from "../store/open.ts";
import { chooseEngine, engines, offerThreads, probeVariants } from "../train/create-engine.ts";
import { rescore } from "../train/rescore.ts";
import { Trainer } from "../train/trainer.ts";
import { runId } from "../trace/ids.ts";
import type { Job } from "../train/job.ts";
import type { Reply, StartOptions, TrainerApi } from "./api.ts";
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

/** The trainer realm: the GPU device and the store live here; the page reaches it only through this surface. */
const ready = openStore({}).then((store) => {
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
    locks: navigator.locks,
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

/** Starts a run; one in a host environment steps it over the port, for as long as it lives. */
async function startRun(
  trainer: Trainer,
  job: Job,
  owner: StartOptions,
  port: MessagePort | null,
): Promise<string> {
  if (!port || job.kind !== "simulated") return trainer.start(job, owner);
  const { environment } = job;
  const takeBack = lendHost(environment, () => environmentsOver(port, environment, { clock: workerClock }));
  const end = (): void => {
    takeBack();
    port.close();
  };
  try {
    const id = await trainer.start(job, owner);
    void (async () => trainer.result(id))().then(end, end);
    return id;
  } catch (error) {
    end();
    throw error;
  }
}

const api: TrainerApi = {
  start: (job, owner, environments) => reply((trainer) => startRun(trainer, job, owner, environments)),
  pause: (id) => reply((trainer) => trainer.pause(id)),
  resume: (id) => reply((trainer) => trainer.resume(id)),
  step: (id) => reply((trainer) => trainer.step(id)),
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
  reach: (url) => reply(() => reach(url)),
  setting: (key) => reply((trainer) => trainer.store.setting(key)),
  setSetting: (key, value) => reply((trainer) => trainer.store.setSetting(key, value)),
};

Comlink.expose(api);
