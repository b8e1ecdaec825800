import * as Comlink from "comlink";
import parts from "virtual:fulgurite-parts";
import { startSandbox } from "../notebook/frame-sandbox.ts";
import { createNotebookSession } from "../notebook/session.ts";
import type { ForwardedResponse, Standalone } from "../notebook/standalone-page.ts";
import { supplyFrames } from "../runner/frame-supply.ts";
import type { LoadPackage } from "../runner/packages.ts";
import type { NotebookServices } from "../notebook/session-types.ts";
import { overrideCompletion, overrideJob, type JobOverrides } from "../train/override-job.ts";
import type { TrainerApi } from "../worker/api.ts";
import "./reader.ts";
import { recordedRuns } from "./recorded.ts";
import { notebookServices } from "./services.ts";
import { installTheme } from "./theme.ts";
import { TrainerClient } from "./trainer-client.ts";

/** The wiring of a page that is one file: everything that others load, it has as text. */
interface Data {
  readonly id: string;
  readonly text: string;
  readonly results: unknown;
  /** Packages that it imports: gzip in base64, by name. */
  readonly packages: Readonly<Record<string, string>>;
}

declare global {
  var fulguriteStandalone: Standalone | undefined;
  /** The network of the program that opened the page, where it lends it: the page itself reaches none. */
  var fulguriteFetch:
    | ((
        url: string,
        init: { method: string; headers: readonly (readonly [string, string])[]; body: string | null },
      ) => Promise<ForwardedResponse>)
    | undefined;
}

const { id, text, results, packages } = JSON.parse(
  document.querySelector("#fulgurite-notebook")?.textContent ?? "{}",
) as Data;

installTheme();
const reader = document.createElement("fulgurite-reader");
document.body.append(reader);

/** Text from its gzip in base64. */
async function unpacked(part: string): Promise<string> {
  const bytes = Uint8Array.from(atob(part), (sign) => sign.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

async function start(): Promise<void> {
  // From disk a worker starts from a blob only, and only a classic one.
  const address = URL.createObjectURL(new Blob([parts.trainer], { type: "text/javascript" }));
  const trainer = new TrainerClient(Comlink.wrap<TrainerApi>(new Worker(address)) as unknown as TrainerApi);
  const runners = new MessageChannel();
  supplyFrames(runners.port1, { page: { html: parts.runnerPage } });
  void trainer.provideFrames(runners.port2);

  const loadPackage: LoadPackage = async (name) =>
    Object.hasOwn(packages, name) ? unpacked(packages[name]!) : null;
  void trainer.providePackages(loadPackage);
  const lent = notebookServices(trainer, id, loadPackage);
  const given = (): JobOverrides => globalThis.fulguriteStandalone?.overrides ?? {};
  const services: NotebookServices = {
    loadPackage,
    check: (definition) => trainer.checkDefinition(definition),
    complete: (asked) => trainer.complete(overrideCompletion(asked, given())),
    async train(asked, cell, onStarted, signal, environments) {
      const job = overrideJob(asked, given());
      const result = await lent.train(job, cell, onStarted, signal, environments);
      globalThis.fulguriteStandalone?.results.push({ cell, seed: job.seed, kind: job.kind, result });
      return result;
    },
    async fetch(url, { method, headers, body }) {
      if (!globalThis.fulguriteFetch) throw new Error("this page reaches no network");
      const bytes = body ? btoa(String.fromCharCode(...(body as Uint8Array))) : null;
      const answer = await globalThis.fulguriteFetch(url, {
        method: method ?? "GET",
        headers: headers as [string, string][],
        body: bytes,
      });
      const { status, statusText, headers: given } = answer;
      const content = Uint8Array.from(atob(answer.body), (sign) => sign.charCodeAt(0));
      return new Response(status === 204 || status === 304 ? null : content, {
        status,
        statusText,
        headers: given.map(([name, value]): [string, string] => [name, value]),
      });
    },
  };
  const session = createNotebookSession({
    id,
    text,
    foreign: { from: "this file" },
    services,
    createKernel: () => startSandbox(parts.kernel, { page: { html: parts.kernelPage } }),
  });
  reader.trainer = trainer;
  reader.recorded = recordedRuns(results);
  reader.session = session;
  document.title = session.title;
  globalThis.fulguriteStandalone = { session, trainer, overrides: {}, results: [] };
}

void start();
