import { expect, test } from "vitest";
import { awakeClock } from "./awake-clock.ts";

/** A machine whose time we move; `sleep` moves it without letting anything run. */
class Machine {
  time = 1e12;
  #next = 1;
  readonly #timers = new Map<number, { readonly at: number; readonly run: () => void }>();

  readonly clock = {
    now: (): number => this.time,
    setTimeout: (run: () => void, milliseconds: number): unknown => {
      this.#timers.set(this.#next, { at: this.time + milliseconds, run });
      return this.#next++;
    },
    clearTimeout: (timer: unknown): void => {
      this.#timers.delete(timer as number);
    },
  };

  pass(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(([, { at }]) => at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.#timers.delete(due[0]);
      this.time = Math.max(this.time, due[1].at);
      due[1].run();
    }
    this.time = Math.max(this.time, end);
  }

  sleep(milliseconds: number): void {
    this.time += milliseconds;
    this.pass(0);
  }
}

test("a timer leaves out the time that the machine slept, and nothing else", () => {
  const machine = new Machine();
  const clock = awakeClock(machine.clock);
  const fired: string[] = [];
  clock.setTimeout(() => fired.push("minute"), 60_000);
  clock.setTimeout(() => fired.push("second"), 1_000);
  machine.pass(20_000);
  expect(fired).toEqual(["second"]);
  machine.sleep(3_600_000);
  expect(clock.slept()).toBeGreaterThanOrEqual(3_599_000);
  expect(clock.slept()).toBeLessThanOrEqual(3_600_000);
  machine.pass(38_000);
  expect(fired).toEqual(["second"]);
  machine.pass(3_000);
  expect(fired).toEqual(["second", "minute"]);
});

test("a thread that computes for seconds has not slept", () => {
  const machine = new Machine();
  const clock = awakeClock(machine.clock);
  let fired = false;
  clock.setTimeout(() => (fired = true), 5_000);
  machine.sleep(9_000);
  expect(clock.slept()).toBe(0);
  expect(fired).toBe(true);
});

test("a timer that was taken back stays so after a gap", () => {
  const machine = new Machine();
  const clock = awakeClock(machine.clock);
  let fired = false;
  const timer = clock.setTimeout(() => (fired = true), 30_000);
  machine.sleep(100_000);
  clock.clearTimeout(timer);
  machine.pass(100_000);
  expect(fired).toBe(false);
});
