import * as Comlink from "comlink";
import { createNotebookSession, type OpenNotebook } from "../notebook/session.ts";
import { supplyFrames } from "../runner/frame-supply.ts";
import type { Job } from "../train/job.ts";
import type { TrainerApi } from "../worker/api.ts";
import { Drafts } from "./drafts.ts";
import { isArticle, showArticleAt } from "./article.ts";
import "./notebook.ts";
import type { RecordedRun } from "./recorded.ts";
import { notebookServices } from "./services.ts";
import { loadNotebook, loadRecorded, notebookAt } from "./shelf.ts";
import { isStore, showStore } from "./store/show-store.ts";
import { installTheme } from "./theme.ts";
import { asError, TrainerClient } from "./trainer-client.ts";
import { startTrainerWorker } from "./trusted-types.ts";
import { turn } from "./turn.ts";

/**
 * The page's wiring and nothing else: the trainer worker, the shipped notebook that the address names or the
 * person's draft of it, the sandboxed kernel, the runners' frames, and the element that shows them.
 */
installTheme();
const page = document.createElement("fulgurite-notebook");
let shown = "";
const first = notebookAt(location.hash);
const firstText = loadNotebook(first);
// Evaluating the modules was one task; showing the page is the next.
await turn();
document.body.append(page);

const worker = startTrainerWorker();
const trainer = new TrainerClient(Comlink.wrap<TrainerApi>(worker) as unknown as TrainerApi);
page.trainer = trainer;
worker.addEventListener("error", (event) => {
  event.preventDefault();
  report(new Error(event.message || "The trainer worker did not start."));
});

const runners = new MessageChannel();
supplyFrames(runners.port1, { url: new URL("runner.html", document.baseURI) });
trainer.provideFrames(runners.port2).catch(report);

/** A notebook that was opened; it stays open, kernel and runs included, while another one is shown. */
interface Opened {
  readonly id: string;
  readonly shipped: string;
  readonly drafts: Drafts;
  readonly outdated: boolean;
  readonly recorded: Promise<readonly RecordedRun[]>;
  session: OpenNotebook;
}

const notebooks = new Map<string, Promise<Opened>>();

function report(error: unknown): void {
  page.notice = asError(error).toData();
}

function openSession(id: string, text: string, shipped: string, drafts: Drafts): OpenNotebook {
  const session = createNotebookSession({
    id,
    text,
    services: notebookServices(trainer, id),
    // The kernel waits for the first paint.
    createKernel: async () => (await import("../notebook/sandbox.ts")).createSandboxedKernel(),
  });
  let known = session.text;
  session.addEventListener("change", () => {
    if (session.text === known) return;
    known = session.text;
    if (page.session === session) page.edited = known !== shipped;
    drafts.keep(known);
  });
  return session;
}

async function open(id: string): Promise<Opened> {
  const shipped = await (id === first ? firstText : loadNotebook(id));
  const drafts = new Drafts(trainer, id, shipped, report);
  const draft = drafts.mayExist ? await drafts.load() : null;
  const session = openSession(id, draft?.text ?? shipped, shipped, drafts);
  return {
    id,
    shipped,
    drafts,
    session,
    outdated: draft?.outdated ?? false,
    recorded: loadRecorded(id),
  };
}

/** Shows the notebook that the address names, opening it first where that has not been done. */
async function go(): Promise<void> {
  const id = notebookAt(location.hash);
  if (id === shown) return;
  shown = id;
  page.notice = null;
  let opening = notebooks.get(id);
  const isNew = !opening;
  if (!opening) notebooks.set(id, (opening = open(id)));
  const notebook = await opening;
  if (id !== shown) return;
  scrollTo(0, 0);
  await show(notebook, isNew);
}

async function show(notebook: Opened, isNew: boolean): Promise<void> {
  const { id, session, shipped, outdated } = notebook;
  page.recorded = [];
  page.session = session;
  page.edited = session.text !== shipped;
  page.outdated = outdated;
  document.title = `${session.title} · Fulgurite`;
  await page.updateComplete;
  notebook.recorded.then((recorded) => {
    if (id === shown) page.recorded = recorded;
  }, report);
  if (!isNew) return;
  for (const run of await trainer.runs({ notebook: id })) {
    if (run.cell !== null) session.markRan(run.cell, run.job as Job);
  }
  await session.runEager();
}

async function reset(): Promise<void> {
  const notebook = await notebooks.get(shown);
  if (!notebook) return;
  await notebook.drafts.discard();
  notebook.session.dispose();
  notebook.session = openSession(notebook.id, notebook.shipped, notebook.shipped, notebook.drafts);
  if (notebook.id === shown) await show({ ...notebook, outdated: false }, true);
}

async function flushDrafts(): Promise<void> {
  for (const notebook of notebooks.values()) await (await notebook).drafts.flush();
}

page.addEventListener("fulgurite-reset", () => {
  reset().catch(report);
});
addEventListener("pagehide", () => void flushDrafts());
addEventListener("hashchange", () => {
  if (isArticle(location.hash)) showArticleAt(location.hash, `#notebook=${shown}`);
  else if (isStore(location.hash)) showStore(trainer, `#notebook=${shown}`).catch(report);
  else go().catch(report);
});
const opening = go();
showArticleAt(location.hash);
if (isStore(location.hash)) showStore(trainer, "").catch(report);
opening.catch(report);
