import { FulguriteError } from "../gpu/error.ts";
import { parseDocument } from "../notebook/document.ts";
import { notebookRequests } from "../notebook/requests.ts";
import { singleFile } from "../notebook/single-file.ts";
import type { Run } from "../store/records.ts";
import type { Curve } from "../train/events.ts";
import { factsOf, keptRollouts, recordRun, type RecordedRun } from "../train/recorded-run.ts";
import { loadPackage } from "./packages.ts";
import type { RecordedRun as ShownRun } from "./recorded.ts";
import type { TrainerClient } from "./trainer-client.ts";

export interface ExportedPage {
  readonly id: string;
  readonly title: string;
  /** The `.nb.ts` text. */
  readonly text: string;
  /** What its author recorded; a run of one's own takes the place of its cell's. */
  readonly recorded: readonly ShownRun[];
  readonly trainer: TrainerClient;
}

/**
 * The notebook as one HTML file, with the newest run of each cell that came to its end here. Rejects with "share/page"
 * where the page's own script for such files cannot be had.
 */
export async function exportPage({ id, title, text, recorded, trainer }: ExportedPage): Promise<string> {
  const document = parseDocument(text);
  const [script, packages, ran] = await Promise.all([
    standaloneScript(),
    Promise.all(notebookRequests(document).packages.map(packed)),
    trainer.runs({ notebook: id }),
  ]);
  const results: RecordedRun[] = [];
  for (const cell of document.cells) {
    const run = ran.find((one) => one.cell === cell.id && one.status === "succeeded");
    const known = recorded.find((one) => one.cell === cell.id);
    if (run) results.push(await recordOf(run, trainer));
    else if (known) results.push(recordRun(known, known.curve, known.rollouts));
  }
  return singleFile({ id, title, text, results, packages: Object.fromEntries(packages), script });
}

async function recordOf(run: Run, trainer: TrainerClient): Promise<RecordedRun> {
  return recordRun(factsOf(run, null), await curveOf(run, trainer), await keptRollouts(trainer, run));
}

async function curveOf(run: Run, trainer: TrainerClient): Promise<Curve> {
  const watching = new AbortController();
  try {
    return await new Promise<Curve>((resolve, reject) => {
      trainer.watch(
        run.id,
        watching.signal,
        (event) => {
          if (event.kind === "curve") resolve(event.curve);
        },
        reject,
      );
    });
  } finally {
    watching.abort();
  }
}

async function standaloneScript(): Promise<string> {
  const answer = await fetch(new URL("standalone.js", globalThis.document.baseURI)).catch(() => null);
  if (answer?.ok && /javascript/.test(answer.headers.get("content-type") ?? "")) return answer.text();
  throw new FulguriteError(
    "share/page",
    "The script that a page of its own needs could not be loaded.",
    "Try again with a network; while developing, build the app and open that.",
  );
}

/** A package's name, and its text packed: gzip in base64. */
async function packed(name: string): Promise<readonly [string, string]> {
  const text = (await loadPackage(name)) ?? "";
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  let signs = "";
  // In pieces: the arguments of one call are limited.
  for (let at = 0; at < bytes.length; at += 32_768) {
    signs += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  }
  return [name, btoa(signs)];
}
