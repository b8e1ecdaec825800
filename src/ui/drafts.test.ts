import { expect, test, vi } from "vitest";
import { FulguriteError } from "../gpu/error.ts";
import type { TrainerApi } from "../worker/api.ts";
import { Drafts } from "./drafts.ts";
import { TrainerClient } from "./trainer-client.ts";

function store(): { client: TrainerClient; settings: Map<string, unknown> } {
  const settings = new Map<string, unknown>();
  const api = {
    setting: (key: string) => Promise.resolve({ ok: true, value: settings.get(key) }),
    setSetting: (key: string, value: unknown) => {
      settings.set(key, value);
      return Promise.resolve({ ok: true, value: undefined });
    },
  };
  return { client: new TrainerClient(api as unknown as TrainerApi), settings };
}

const fail = (error: unknown): void => {
  throw error;
};

test("a draft comes back, says when the original is newer, and can be thrown away", async () => {
  const { client } = store();
  const drafts = new Drafts(client, "pole", "original", fail);
  drafts.keep("first");
  drafts.keep("edited");
  await drafts.flush();
  expect(await drafts.load()).toEqual({ text: "edited", outdated: false });
  const newer = new Drafts(client, "pole", "original, improved", fail);
  expect(await newer.load()).toEqual({ text: "edited", outdated: true });
  await newer.discard();
  expect(await newer.load()).toBeNull();
});

test("edits that were taken back are no draft, and foreign data is none either", async () => {
  const { client, settings } = store();
  const drafts = new Drafts(client, "pole", "original", fail);
  drafts.keep("edited");
  drafts.keep("original");
  await drafts.flush();
  expect(await drafts.load()).toBeNull();
  settings.set("draft/pole", { text: 3 });
  expect(await drafts.load()).toBeNull();
});

test("what a full disk refuses is told until there is room, and kept then", async () => {
  vi.useFakeTimers();
  try {
    const { client, settings } = store();
    const keep = client.setSetting.bind(client);
    let full = true;
    client.setSetting = (key, value) =>
      full ? Promise.reject(new FulguriteError("store/full", "full", "Delete.")) : keep(key, value);
    const told: (string | null)[] = [];
    const drafts = new Drafts(client, "pole", "original", (failure) => told.push(failure?.code ?? null));
    drafts.keep("edited");
    await vi.advanceTimersByTimeAsync(12_000);
    drafts.keep("edited again");
    await vi.advanceTimersByTimeAsync(12_000);
    expect(told).toEqual(["store/full"]);
    expect(settings.size).toBe(0);
    full = false;
    await vi.advanceTimersByTimeAsync(6000);
    expect(told).toEqual(["store/full", null]);
    expect(await drafts.load()).toEqual({ text: "edited again", outdated: false });
  } finally {
    vi.useRealTimers();
  }
});
