import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type Browser } from "playwright-core";
import { expect } from "vitest";
import { chromiumLaunch, findChromium } from "../support/browser.ts";
import { openTab, servePage } from "./built-page.ts";
import type { Progress } from "./killed-ingest.ts";
import type { Harness } from "./page.ts";

declare const harness: Harness;

/** Chromium as a process group of its own, so that all of its processes die at once. */
async function startChromium(profile: string): Promise<{ process: ChildProcess; browser: Browser }> {
  const portFile = join(profile, "DevToolsActivePort");
  rmSync(portFile, { force: true });
  const child = spawn(
    findChromium(),
    [
      ...(chromiumLaunch().args ?? []),
      "--headless=new",
      "--remote-debugging-port=0",
      `--user-data-dir=${profile}`,
    ],
    { detached: true, stdio: "ignore" },
  );
  while (!existsSync(portFile) || !readFileSync(portFile, "utf8").includes("\n")) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const port = readFileSync(portFile, "utf8").split("\n")[0]!;
  const connect = (): Promise<Browser> =>
    chromium.connectOverCDP(`http://127.0.0.1:${port}`, { timeout: 10_000 });
  try {
    // On a busy machine a first connection has been seen to hang.
    return { process: child, browser: await connect().catch(connect) };
  } catch (error) {
    await kill(child);
    throw error;
  }
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  process.kill(-child.pid!, "SIGKILL");
  await exit;
}

/** Bytes of the profile's files that IndexedDB keeps. */
function bytesOnDisk(profile: string): number {
  return readdirSync(profile, { recursive: true, encoding: "utf8" })
    .filter((file) => file.includes("IndexedDB"))
    .map((file) => statSync(join(profile, file), { throwIfNoEntry: false }))
    .reduce((sum, status) => sum + (status?.isFile() ? status.size : 0), 0);
}

export interface KillRecord {
  /** Milliseconds from the first acknowledged commit to the kill. */
  readonly after: number;
  /** Where each writer was when the kill was ordered, as far as it was acknowledged. */
  readonly acknowledged: Readonly<Record<string, Progress>>;
  /** What the next start found: how far each was, and how long it took to open. */
  readonly found: Readonly<Record<string, Progress>>;
  readonly openMilliseconds: number;
  /** As the store counts them, and on the disk with all that IndexedDB has not tidied up. */
  readonly bytes: number;
  readonly diskBytes: number;
}

export interface KillOptions {
  /** After each look at what was left behind; rounds count from 1. */
  readonly progress?: (record: KillRecord, round: number) => void;
  /** Between a kill and the next start. */
  readonly afterKill?: (round: number, profile: string) => void;
}

const reached = (found: Progress | undefined, acknowledged: Progress): boolean =>
  found !== undefined &&
  (found.run > acknowledged.run || (found.run === acknowledged.run && found.update >= acknowledged.update));

/**
 * Kills Chromium `kills` times while one tab a writer ingests, and looks each time at what is there: nothing acknowledged
 * is lost, nothing is doubled, half there or left behind.
 */
export async function killRounds(
  kills: number,
  writers: readonly string[],
  options: KillOptions = {},
): Promise<KillRecord[]> {
  const server = await servePage();
  const profile = mkdtempSync(join(tmpdir(), "fulgurite-profile-"));
  const records: KillRecord[] = [];
  let acknowledged: Record<string, Progress> = {};
  let after = 0;
  try {
    for (let round = 0; round <= kills; round++) {
      const { process: child, browser } = await startChromium(profile);
      try {
        const tabs = await Promise.all(writers.map(() => openTab(browser.contexts()[0]!, server.url)));
        const found = await tabs[0]!.evaluate((names) => harness.inspect(names), writers);
        expect(found.wrong).toEqual([]);
        for (const [writer, at] of Object.entries(acknowledged))
          if (!reached(found.progress[writer], at))
            expect.fail(`${writer}: ${JSON.stringify({ at, found: found.progress[writer] })}`);
        if (round > 0) {
          const { openMilliseconds, bytes } = found;
          const diskBytes = bytesOnDisk(profile);
          const record = { after, acknowledged, found: found.progress, openMilliseconds, bytes, diskBytes };
          records.push(record);
          options.progress?.(record, round);
        }
        if (round === kills) break;
        acknowledged = { ...acknowledged };
        // Any moment of a second: 389 and 1,000 have no common divisor.
        after = (round * 389) % 1000;
        await Promise.all(
          writers.map(
            (writer, i) =>
              new Promise<void>((resolve, reject) => {
                const page = tabs[i]!;
                page
                  .exposeFunction("acknowledge", (at: Progress) => {
                    acknowledged[writer] = at;
                    resolve();
                  })
                  .then(() =>
                    page.evaluate((own) => {
                      const { acknowledge } = globalThis as unknown as {
                        acknowledge(at: Progress): void;
                      };
                      return harness.ingest(own, acknowledge);
                    }, writer),
                  )
                  // The kill ends it too, when nobody listens any more.
                  .catch(reject);
              }),
          ),
        );
        await new Promise((resolve) => setTimeout(resolve, after));
      } finally {
        await kill(child);
        await browser.close().catch(() => undefined);
      }
      options.afterKill?.(round + 1, profile);
    }
  } finally {
    await server.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  }
  return records;
}

/** The IndexedDB logs of a profile, LevelDB's, newest last. */
const logsOf = (profile: string): string[] =>
  readdirSync(profile, { recursive: true, encoding: "utf8" })
    .filter((file) => /indexeddb\.leveldb\/\d+\.log$/.test(file))
    .sort()
    .map((file) => join(profile, file));

/**
 * What a kill in the middle of a write leaves at the end of LevelDB's log: a record's head that promises more than follows. The
 * next start passes over it, appends behind it, and the start after that cannot read past it.
 */
export function tearLog(profile: string): void {
  const log = logsOf(profile).at(-1)!;
  const record = Buffer.alloc(7 + 20);
  record.writeUInt16LE(300, 4);
  record.writeUInt8(1, 6);
  const left = 32_768 - (statSync(log).size % 32_768);
  // A record does not cross the end of a block.
  appendFileSync(log, left < 400 ? Buffer.alloc(left) : record);
  if (left < 400) appendFileSync(log, record);
}
