import type { CDPSession, Page } from "playwright-core";

/** What keys took in a page, in ms. */
export interface TracedKeys {
  /**
   * Time that the page's thread worked from the key to the end of the frame that shows it: handlers, style, layout,
   * paint and whatever else came in between. CPU time, so that waits for the frame's turn do not count.
   */
  readonly work: number[];
  /** From the key's arrival in the browser until the frame that shows it was presented. */
  readonly presented: number[];
}

interface TraceEvent {
  readonly name: string;
  readonly ph: string;
  readonly pid: number;
  readonly tid: number;
  /** Microseconds, as are those below. */
  readonly ts: number;
  readonly dur?: number;
  readonly tdur?: number;
  readonly id2?: { readonly local?: string };
  readonly args: { readonly event_latency?: { readonly event_type?: string } };
}

const MARK = "fulgurite-key";
const CATEGORIES = ["toplevel", "blink.user_timing", "devtools.timeline", "input"];

/** Traces Chromium while `type` presses keys in a page; `rounds` times, because a trace's buffer ends after some 40 keys. */
export async function tracedKeys(page: Page, rounds: number, type: () => Promise<void>): Promise<TracedKeys> {
  await page.evaluate((mark) => {
    addEventListener(
      "keydown",
      () => {
        performance.mark(mark);
        requestAnimationFrame(() => undefined);
      },
      true,
    );
  }, MARK);
  const session = await page.context().browser()!.newBrowserCDPSession();
  const keys: TracedKeys = { work: [], presented: [] };
  for (let round = 0; round < rounds; round++) {
    await session.send("Tracing.start", {
      transferMode: "ReturnAsStream",
      traceConfig: {
        traceBufferSizeInKb: 400_000,
        includedCategories: CATEGORIES,
        excludedCategories: ["*"],
      },
    });
    await type();
    // The last key's frame is presented after the key has been handled.
    await page.waitForTimeout(200);
    const events = (await stopTracing(session)).sort((a, b) => a.ts - b.ts);
    keys.work.push(...workOf(events));
    keys.presented.push(...presentedIn(events));
  }
  await session.detach();
  return keys;
}

async function stopTracing(session: CDPSession): Promise<TraceEvent[]> {
  const complete = new Promise<string>((resolve) => {
    session.once("Tracing.tracingComplete", ({ stream }) => {
      resolve(stream!);
    });
  });
  await session.send("Tracing.end");
  const handle = await complete;
  let text = "";
  for (;;) {
    const { data, eof } = await session.send("IO.read", { handle, size: 1 << 20 });
    text += data;
    if (eof) break;
  }
  await session.send("IO.close", { handle });
  return (JSON.parse(text) as { traceEvents: TraceEvent[] }).traceEvents;
}

function workOf(events: readonly TraceEvent[]): number[] {
  const marks = events.filter(({ name, ph }) => name === MARK && ph !== "E");
  const thread = events.filter((event) => event.pid === marks[0]?.pid && event.tid === marks[0].tid);
  const end = ({ ts, dur = 0 }: TraceEvent): number => ts + dur;
  const tasks: TraceEvent[] = [];
  for (const event of thread) {
    const isTask = event.ph === "X" && event.name.endsWith("RunTask");
    if (isTask && event.ts >= (tasks.length === 0 ? 0 : end(tasks.at(-1)!))) tasks.push(event);
  }
  const frames = thread.filter(({ name }) => name === "FireAnimationFrame");
  return marks.flatMap((mark) => {
    const frame = frames.find(({ ts }) => ts > mark.ts);
    if (!frame) return [];
    const during = tasks.filter((task) => end(task) > mark.ts && task.ts <= frame.ts);
    return [during.reduce((sum, { tdur, dur = 0 }) => sum + (tdur ?? dur), 0) / 1_000];
  });
}

function presentedIn(events: readonly TraceEvent[]): number[] {
  const begun = new Map<string, TraceEvent>();
  const times: number[] = [];
  for (const event of events) {
    if (event.name !== "EventLatency") continue;
    const key = `${event.pid} ${event.id2?.local}`;
    if (event.ph === "b") begun.set(key, event);
    const begin = begun.get(key);
    if (event.ph !== "e" || !begin) continue;
    if (begin.args.event_latency?.event_type?.endsWith("KEY_PRESSED"))
      times.push((event.ts - begin.ts) / 1_000);
  }
  return times;
}
