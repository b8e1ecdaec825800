import * as Comlink from "comlink";
import { supplyFrames } from "../runner/frame-supply.ts";
import type { TrainerApi } from "../worker/api.ts";
import { isArticle, showArticleAt } from "./article.ts";
import "./notebook.ts";
import { NotebookDesk } from "./notebook-desk.ts";
import { isShipped, loadNotebook, shelf } from "./shelf.ts";
import { isStore, showStore } from "./store/show-store.ts";
import { loadPackage } from "./packages.ts";
import { installTheme } from "./theme.ts";
import { asError, TrainerClient } from "./trainer-client.ts";
import { keepOffline, startTrainerWorker } from "./trusted-types.ts";
import { turn } from "./turn.ts";

/**
 * The page's wiring and nothing else: the trainer worker, the runners' frames, the desk that opens what the address
 * names, and the element that shows it.
 */
installTheme();
const page = document.createElement("fulgurite-notebook");
const asked = new URLSearchParams(location.hash.slice(1)).get("notebook") ?? "";
const first = isShipped(asked) ? asked : shelf[0]!.id;
const firstText = loadNotebook(first);
// Evaluating the modules was one task; showing the page is the next.
await turn();
document.body.append(page);

const worker = startTrainerWorker();
const trainer = new TrainerClient(Comlink.wrap<TrainerApi>(worker) as unknown as TrainerApi);
const desk = new NotebookDesk(page, trainer);
desk.expect(first, firstText);
page.trainer = trainer;
page.library = desk;
worker.addEventListener("error", (event) => {
  event.preventDefault();
  report(new Error(event.message || "The trainer worker did not start."));
});

const runners = new MessageChannel();
supplyFrames(runners.port1, { page: { url: new URL("runner.html", document.baseURI) } });
trainer.provideFrames(runners.port2).catch(report);
trainer.providePackages(loadPackage).catch(report);

function report(error: unknown): void {
  page.notice = asError(error).toData();
}

let shown = location.hash;
page.addEventListener("fulgurite-reset", () => {
  desk.reset().catch(report);
});
/** Also what was typed last: a tab that is hidden may never be seen again. */
const keepAll = (): void => {
  page.flush();
  desk.leave();
};
addEventListener("pagehide", keepAll);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) keepAll();
});
addEventListener("hashchange", ({ oldURL }) => {
  if (isArticle(location.hash)) {
    showArticleAt(location.hash, shown);
    return;
  }
  if (isStore(location.hash)) {
    showStore(trainer, shown).catch(report);
    return;
  }
  if (desk.goInside(location.hash)) {
    history.replaceState(null, "", oldURL);
    return;
  }
  shown = location.hash;
  desk.go(shown).catch(report);
});
const place = location.hash;
if (isArticle(place) || isStore(place)) shown = "";
desk.go(shown).catch(report);
showArticleAt(place);
if (isStore(place)) showStore(trainer, "").catch(report);

if ("serviceWorker" in navigator && import.meta.env.PROD) {
  // After the first paint: what it stores must not compete with what is shown.
  setTimeout(() => void keepOffline().catch(() => undefined), 3_000);
}
