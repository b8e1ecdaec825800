import { recordedRuns, type RecordedRun } from "./recorded.ts";

/** Titles of the shipped notebooks, in the order of the list. */
const titles: Readonly<Record<string, string>> = {
  cartpole: "CartPole",
  strings: "Strings",
  "text-to-sql": "Text to SQL",
  environments: "Environments",
};

const texts = import.meta.glob<string>("../../notebooks/*.nb.ts", { query: "?raw", import: "default" });
const results = import.meta.glob<unknown>("../../notebooks/*.results.json", { import: "default" });

const textOf = (id: string): (() => Promise<string>) | undefined => texts[`../../notebooks/${id}.nb.ts`];

/** The notebooks that ship with the page. */
export const shelf: readonly { readonly id: string; readonly title: string }[] = [
  ...Object.keys(titles).filter((id) => textOf(id)),
  ...Object.keys(texts)
    .map((path) => /([\w-]+)\.nb\.ts$/.exec(path)![1]!)
    .filter((id) => !(id in titles)),
].map((id) => ({ id, title: titles[id] ?? id }));

/** Whether a notebook of this id ships with the page. */
export const isShipped = (id: string): boolean => shelf.some((entry) => entry.id === id);

export const loadNotebook = (id: string): Promise<string> => textOf(id)!();

/** Results that were recorded with the notebook; none where they are missing or do not load. */
export async function loadRecorded(id: string): Promise<RecordedRun[]> {
  const load = results[`../../notebooks/${id}.results.json`];
  if (!load) return [];
  try {
    return recordedRuns(await load());
  } catch {
    return [];
  }
}
