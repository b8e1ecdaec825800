import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser, Page } from "playwright-core";
import { FulguriteError } from "../gpu/error.ts";
import type { CellView } from "../notebook/session-types.ts";
import { singleFile } from "../notebook/single-file.ts";
import type { ForwardedResponse, Standalone } from "../notebook/standalone-page.ts";
import { chromiumOptions, installedChromium } from "./chromium.ts";
import { readParts } from "./notebook-file.ts";
import type { EndedTraining, NotebookRunner, RunnerOptions } from "./notebook-runner.ts";

declare const fulguriteStandalone: Standalone;

const PROGRESS_INTERVAL_MS = 500;

/**
 * Opens a notebook in headless Chromium, in the sandbox that it has on a page. Rejects with "cli/no-browser" where
 * there is no Chromium or no playwright-core.
 */
export async function openSandboxed(options: RunnerOptions): Promise<NotebookRunner> {
  const { notebook, overrides, hosts, onProgress } = options;
  const parts = await readParts(notebook.text);
  const html = singleFile({ ...notebook, ...parts, title: notebook.id, results: null });
  const browser = await launch();
  const server = await serve(html);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;
  const close = async (): Promise<void> => {
    closed = true;
    clearTimeout(timer);
    await browser.close();
    server.closeAllConnections();
    server.close();
  };
  try {
    const page = await browser.newPage();
    await page.exposeFunction("fulguriteFetch", (url: string, init: Parameters<typeof forward>[1]) =>
      forward(url, init, hosts),
    );
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    await page.waitForFunction(() => "fulguriteStandalone" in globalThis);
    await page.evaluate(
      async ([given, allowed]) => {
        fulguriteStandalone.overrides = given;
        await fulguriteStandalone.session.allow(allowed);
      },
      [overrides, hosts] as const,
    );
    const look = async (): Promise<void> => {
      await progress(page, notebook.id, onProgress);
      if (!closed) timer = setTimeout(() => void look(), PROGRESS_INTERVAL_MS);
    };
    timer = setTimeout(() => void look(), PROGRESS_INTERVAL_MS);
    return {
      cells: () =>
        page.evaluate(async (): Promise<readonly CellView[]> => {
          const { session } = fulguriteStandalone;
          await session.checked();
          return [...session.cells];
        }),
      runEager: () => page.evaluate(() => fulguriteStandalone.session.runEager()),
      run: (cell) => page.evaluate((id) => fulguriteStandalone.session.run(id), cell),
      settled: (milliseconds) =>
        page.evaluate((limit) => fulguriteStandalone.session.settled(limit), milliseconds),
      interrupt: () =>
        page.evaluate(async () => {
          const { session } = fulguriteStandalone;
          await Promise.all(session.cells.map(({ id }) => session.stop(id)));
        }),
      results: () => page.evaluate((): readonly EndedTraining[] => fulguriteStandalone.results),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function launch(): Promise<Browser> {
  const path = installedChromium();
  const playwright = await import("playwright-core").catch(() => null);
  if (path === undefined || !playwright) {
    throw new FulguriteError(
      "cli/no-browser",
      path === undefined
        ? "There is no Chrome or Chromium to run the notebook's sandbox in."
        : "playwright-core, which drives the browser, is not installed.",
      path === undefined
        ? "Install one or name it in $FULGURITE_CHROMIUM; a notebook that you trust runs without it, with --trusted."
        : "Run `npm install playwright-core`; a notebook that you trust runs without it, with --trusted.",
    );
  }
  // An interrupted command ends its cells first, and shows what they came to.
  return playwright.chromium.launch({ ...chromiumOptions(path), handleSIGINT: false });
}

function serve(html: string): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url !== "/") {
      response.writeHead(404).end();
      return;
    }
    response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(html);
  });
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve(server);
    });
  });
}

/** The page has asked its gate; this side asks once more, for the page runs a stranger's notebook. */
async function forward(
  url: string,
  init: { method: string; headers: readonly (readonly [string, string])[]; body: string | null },
  hosts: readonly string[],
): Promise<ForwardedResponse> {
  if (!hosts.includes(new URL(url).host)) throw new Error(`${new URL(url).host} was not allowed`);
  const response = await fetch(url, {
    method: init.method,
    headers: init.headers.map(([name, value]): [string, string] => [name, value]),
    body: init.body === null ? null : Buffer.from(init.body, "base64"),
    redirect: "error",
  });
  const { status, statusText } = response;
  const body = Buffer.from(await response.arrayBuffer()).toString("base64");
  return { status, statusText, headers: [...response.headers], body };
}

async function progress(
  page: Page,
  notebook: string,
  onProgress: RunnerOptions["onProgress"],
): Promise<void> {
  // A run holds its job, and that every task: only what is shown leaves the page.
  const running = await page
    .evaluate(async (id) => {
      const runs = await fulguriteStandalone.trainer.runs({ notebook: id });
      return runs
        .filter(({ status }) => status === "running")
        .map(
          ({ id: runId, cell, kind, activeTime, status, reason, update, updates, step, steps, ...run }) => {
            const { engine, adapter, metrics } = run;
            const row = { runId, status, reason, update, updates, step, steps, engine, adapter, metrics };
            return { cell, kind, activeTime, row };
          },
        );
    }, notebook)
    .catch(() => []);
  for (const { cell, kind, activeTime, row } of running) {
    if (cell === null) continue;
    const stepsPerSecond = activeTime > 0 ? (1000 * row.step) / activeTime : null;
    const timeLeft = stepsPerSecond ? (1000 * (row.steps - row.step)) / stepsPerSecond : null;
    onProgress(cell, { ...row, phase: "training", stepsPerSecond, timeLeft }, kind);
  }
}
