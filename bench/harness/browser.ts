import { chromium, type Browser, type Page } from "playwright-core";
import type { ViteDevServer } from "vite";
import { buildApp } from "../../test/support/app.ts";
import { chromiumLaunch } from "../../test/support/browser.ts";
import type { BuiltFolder } from "../../test/support/kept-build.ts";
import { serveStatic, type StaticServer } from "../../test/support/static-server.ts";
import type { Bench, Measurement, NodeContext } from "./bench.ts";
import type { KernelTime } from "./dispatch-times.ts";

type ServedApp = Promise<{ readonly built: BuiltFolder; readonly server: StaticServer }>;
type PageBench = Extract<Bench, { readonly where: "page" }>;

/** Chromium for the benches: a fresh page each, so that none inherits another's heap or device. */
export class BenchBrowser {
  readonly #browser: Browser;
  readonly #progress: (text: string) => void;
  readonly #base: string;
  #app: ServedApp | null = null;

  static async launch(server: ViteDevServer, progress: (text: string) => void): Promise<BenchBrowser> {
    await server.listen();
    return new BenchBrowser(await chromium.launch(chromiumLaunch()), server, progress);
  }

  constructor(browser: Browser, server: ViteDevServer, progress: (text: string) => void) {
    this.#browser = browser;
    this.#progress = progress;
    this.#base = server.resolvedUrls!.local[0]!;
  }

  get version(): string {
    return `Chromium ${this.#browser.version()}`;
  }

  async adapter(): Promise<string> {
    const page = await this.#open(false);
    const name = await page.evaluate(() => window.adapter());
    await page.close();
    return name;
  }

  async run(name: string, bench: PageBench, peers: boolean): Promise<Measurement[]> {
    const wanted = bench.isolated ?? "no";
    const measurements: Measurement[] = [];
    for (const isolated of wanted === "both" ? [false, true] : [wanted === "yes"]) {
      const page = await this.#open(isolated);
      measurements.push(
        ...(await page.evaluate(({ name, peers }) => window.bench(name, peers), { name, peers })),
      );
      await page.close();
    }
    return measurements;
  }

  async profile(name: string): Promise<readonly KernelTime[]> {
    const page = await this.#open(false);
    const times = await page.evaluate((name) => window.profile(name), name);
    await page.close();
    return times;
  }

  context(peers: boolean): NodeContext {
    return {
      peers,
      progress: (text) => this.#progress(`  ${text}`),
      newPage: () => this.#browser.newPage(),
      appUrl: async () => (await this.#serveApp()).server.url,
    };
  }

  async close(): Promise<void> {
    await this.#browser.close();
    if (this.#app === null) return;
    const { built, server } = await this.#app;
    await server.close();
    await built.dispose();
  }

  #serveApp(): ServedApp {
    this.#app ??= (async () => {
      this.#progress("  building the app");
      const built = await buildApp();
      return { built, server: await serveStatic(built.directory) };
    })();
    return this.#app;
  }

  async #open(isolated: boolean): Promise<Page> {
    const page = await this.#browser.newPage();
    page.on("console", (message) => {
      if (message.type() === "info") this.#progress(`  ${message.text()}`);
      else if (message.type() === "error") this.#progress(`  page: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.#progress(`  page: ${error.message}`));
    await page.goto(`${this.#base}harness/page.html${isolated ? "?isolated" : ""}`);
    await page.waitForFunction(() => window.benchReady);
    return page;
  }
}
