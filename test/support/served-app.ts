import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll } from "vitest";
import { buildApp } from "./app.ts";
import { launchPersistent } from "./browser.ts";
import type { BuiltFolder } from "./kept-build.ts";
import { serveStatic, type StaticServer } from "./static-server.ts";

/** The built app, served for the tests of a file; its browsers are closed and its folders removed after them. */
export class ServedApp {
  #app: BuiltFolder | null = null;
  #server: StaticServer | null = null;
  readonly #contexts: BrowserContext[] = [];
  readonly #folders: string[] = [];

  /** Made at the top of a test file. `subPath` as of `serveStatic`. */
  constructor(options: { readonly subPath?: string } = {}) {
    beforeAll(async () => {
      this.#app = await buildApp();
      this.#server = await serveStatic(this.#app.directory, options);
    }, 180_000);
    afterAll(async () => {
      for (const context of this.#contexts) await context.close();
      await this.#server?.close();
      await this.#app?.dispose();
      for (const folder of this.#folders) rmSync(folder, { recursive: true, force: true });
    });
  }

  get url(): string {
    return this.#server!.url;
  }

  /** Where the served files are. */
  get directory(): string {
    return this.#app!.directory;
  }

  /** An empty folder. */
  folder(): string {
    const folder = mkdtempSync(join(tmpdir(), "fulgurite-profile-"));
    this.#folders.push(folder);
    return folder;
  }

  /** A Chromium with a profile on disk, which is a new one unless given. */
  async launch(profile = this.folder()): Promise<BrowserContext> {
    const context = await launchPersistent(profile);
    this.#contexts.push(context);
    return context;
  }

  /** From now on nobody answers. */
  async goOffline(): Promise<void> {
    await this.#server!.close();
  }
}
