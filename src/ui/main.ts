import * as Comlink from "comlink";
import cartpole from "../../notebooks/cartpole.nb.ts?raw";
import { createNotebookSession, type OpenNotebook } from "../notebook/session.ts";
import type { TrainerApi } from "../worker/api.ts";
import { Drafts } from "./drafts.ts";
import { showArticleAt } from "./article.ts";
import "./notebook.ts";
import { notebookServices } from "./services.ts";
import { installTheme } from "./theme.ts";
import { asError, TrainerClient } from "./trainer-client.ts";
import { startTrainerWorker } from "./trusted-types.ts";
import { turn } from "./turn.ts";

/**
 * The page's wiring and nothing else: the trainer worker, the shipped notebook or the person's draft of it, the
 * sandboxed kernel, and the element that shows them.
 */
const shipped = { id: "cartpole", text: cartpole };

installTheme();
const page = document.createElement("fulgurite-notebook");
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

const drafts = new Drafts(trainer, shipped.id, shipped.text, report);

function report(error: unknown): void {
  page.notice = asError(error).toData();
}

function openSession(text: string): OpenNotebook {
  const session = createNotebookSession({
    id: shipped.id,
    text,
    services: notebookServices(trainer, shipped.id),
    // The kernel waits for the first paint.
    createKernel: async () => (await import("../notebook/sandbox.ts")).createSandboxedKernel(),
  });
  let known = session.text;
  session.addEventListener("change", () => {
    if (session.text === known) return;
    known = session.text;
    page.edited = known !== shipped.text;
    drafts.keep(known);
  });
  return session;
}

async function show(text: string): Promise<void> {
  page.session?.dispose();
  const session = openSession(text);
  page.session = session;
  page.edited = session.text !== shipped.text;
  document.title = `${session.title} · Fulgurite`;
  await page.updateComplete;
  for (const run of await trainer.runs({ notebook: shipped.id })) {
    if (run.cell !== null) session.markRan(run.cell);
  }
  await session.runEager();
}

async function open(): Promise<void> {
  const draft = drafts.mayExist ? await drafts.load() : null;
  page.outdated = draft?.outdated ?? false;
  await show(draft?.text ?? shipped.text);
}

page.addEventListener("fulgurite-reset", () => {
  drafts
    .discard()
    .then(() => show(shipped.text))
    .catch(report);
});
addEventListener("pagehide", () => void drafts.flush());
addEventListener("hashchange", () => {
  showArticleAt(location.hash);
});
showArticleAt(location.hash);
open().catch(report);
