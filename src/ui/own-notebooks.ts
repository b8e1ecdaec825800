import { titleOf, parseDocument } from "../notebook/document.ts";
import type { NotebookEntry, Version } from "./library.ts";
import type { TrainerClient } from "./trainer-client.ts";

/** A notebook of one's own, as the store keeps it. `original` is the text as it came from elsewhere. */
export interface OwnNotebook {
  readonly version: 1;
  readonly title: string;
  readonly text: string;
  readonly origin: string | null;
  readonly original: string | null;
  readonly updatedAt: number;
}

const INDEX = "notebooks";
const MAX_VERSIONS = 40;
/** A version is kept at most this often. */
const VERSION_MS = 5 * 60_000;

/** The notebooks that a person keeps in this browser, and what every notebook was before. */
export class OwnNotebooks {
  readonly #trainer: TrainerClient;
  #writing: Promise<unknown> = Promise.resolve();

  constructor(trainer: TrainerClient) {
    this.#trainer = trainer;
  }

  async list(): Promise<NotebookEntry[]> {
    const index = await this.#trainer.setting(INDEX);
    return Array.isArray(index) ? (index as NotebookEntry[]).filter(({ kind }) => kind === "own") : [];
  }

  async load(id: string): Promise<OwnNotebook | null> {
    const stored = (await this.#trainer.setting(`notebook/${id}`)) as OwnNotebook | null | undefined;
    return stored?.version === 1 ? stored : null;
  }

  /** Keeps a notebook, new or changed; one write after the other. */
  save(id: string, text: string, origin: string | null, original: string | null): Promise<void> {
    return this.#then(async () => {
      const updatedAt = Date.now();
      const title = titleFrom(text) ?? nameFrom(origin);
      const notebook: OwnNotebook = { version: 1, title, text, origin, original, updatedAt };
      await this.#trainer.setSetting(`notebook/${id}`, notebook);
      const entry: NotebookEntry = { id, title, kind: "own", updatedAt, origin };
      const others = (await this.list()).filter((one) => one.id !== id);
      await this.#trainer.setSetting(INDEX, [entry, ...others]);
    });
  }

  remove(id: string): Promise<void> {
    return this.#then(async () => {
      await this.#trainer.setSetting(
        INDEX,
        (await this.list()).filter((one) => one.id !== id),
      );
      await this.#trainer.setSetting(`notebook/${id}`, null);
      await this.#trainer.setSetting(`versions/${id}`, null);
    });
  }

  /** Newest first. */
  async versions(id: string): Promise<Version[]> {
    const kept = await this.#trainer.setting(`versions/${id}`);
    return Array.isArray(kept) ? (kept as Version[]) : [];
  }

  /** Remembers a text of any notebook, where the last one is some minutes old. */
  remember(id: string, text: string): Promise<void> {
    return this.#then(async () => {
      const versions = await this.versions(id);
      const [newest] = versions;
      if (newest && (newest.text === text || Date.now() - newest.savedAt < VERSION_MS)) return;
      await this.#trainer.setSetting(
        `versions/${id}`,
        [{ text, savedAt: Date.now() }, ...versions].slice(0, MAX_VERSIONS),
      );
    });
  }

  #then(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work);
    this.#writing = done.catch(() => undefined);
    return done;
  }
}

/** A name for an own notebook that none has yet. */
export const freshId = (): string => `own-${Date.now().toString(36)}`;

/** What a notebook without a heading is called: by the file that it came from, where it came from one. */
export const nameFrom = (origin: string | null): string =>
  /([^/\\]+?)(?:\.nb)?\.(?:ts|md|ipynb|html|js)$/i.exec(origin ?? "")?.[1] ?? "Untitled";

function titleFrom(text: string): string | null {
  try {
    return titleOf(parseDocument(text));
  } catch {
    return null;
  }
}

/** What a new notebook begins with. */
export const templates: readonly { readonly title: string; readonly hint: string; readonly text: string }[] =
  [
    {
      title: "Empty",
      hint: "a heading and a cell",
      text: `// fulgurite: 1

// %% [md] intro
/*
# Untitled
*/

// %% first
`,
    },
    {
      title: "Train an agent",
      hint: "an environment, a reward, a run",
      text: `// fulgurite: 1
import { cartPole, defineReward, ppo, train } from "fulgurite";

// %% [md] intro
/*
# My agent
*/

// %% environment
export const environment = cartPole();

// %% reward
export const reward = defineReward.step((s, a, next) => 1 - 0.1 * Math.abs(next.x));

// %% training lazy
export const run = await train({
  env: environment,
  reward,
  algorithm: ppo({ preset: "sb3-zoo-cartpole" }),
  seed: 1,
});
`,
    },
    {
      title: "Look at data",
      hint: "a file, a table, a plot",
      text: `// fulgurite: 1
import { file, slider, table } from "fulgurite";

// %% [md] intro
/*
# My data
*/

// %% data
export const data = file("CSV file", { accept: ".csv" });

// %% rows
export const rows = (data?.text().trim() ?? "step,value\\n1,3\\n2,5\\n3,4")
  .split(/\\r?\\n/)
  .map((line) => line.split(","));
const [names = [], ...body] = rows;
export const records = body.map((cells) =>
  Object.fromEntries(names.map((name, i) => [name, Number(cells[i])])),
);
table(records, "records");

// %% window
export const height = slider("Height", { min: 120, max: 480, step: 20, value: 240 });

// %% drawing
import * as Plot from "@observablehq/plot";

const [x = "", y = ""] = names;
Plot.plot({ height, marks: [Plot.lineY(records, { x, y, marker: true })] });
`,
    },
  ];
