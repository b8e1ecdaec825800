import type { RunnerClock } from "./agent-host.ts";

/** Between two looks at the clock. */
const LOOK_MS = 1_000;
/** A look that comes later than this was not late because something else was being computed. */
const GAP_MS = 10_000;

/** A clock that knows for how long it was not running. */
export interface AwakeClock extends RunnerClock {
  /** Milliseconds, so far, for which the machine slept or the browser froze the tab. */
  slept(): number;
}

/**
 * Makes a clock whose timers leave out the time in which nothing here could run: a closed lid, a frozen tab. It looks
 * at `clock` once a second; where a look is more than 10 s late, the time since the one before counts as slept. A timer
 * that fires early by that measure is set anew for what is left of it. `now()` stays the time of day.
 */
export function awakeClock(clock: RunnerClock): AwakeClock {
  let slept = 0;
  let lookedAt = clock.now();

  function look(): void {
    const now = clock.now();
    const late = now - lookedAt - LOOK_MS;
    if (late > GAP_MS) slept += late;
    lookedAt = now;
  }

  function watch(): void {
    look();
    const timer = clock.setTimeout(watch, LOOK_MS);
    // In Node a watch must not keep the process.
    (timer as { unref?: () => void }).unref?.();
  }
  watch();

  return {
    now: () => clock.now(),
    slept: () => {
      look();
      return slept;
    },
    setTimeout(run, milliseconds) {
      const handle: { timer: unknown } = { timer: null };
      const arm = (left: number): void => {
        const [start, before] = [clock.now(), slept];
        handle.timer = clock.setTimeout(() => {
          // Timers that are due together fire in any order: this one may come before the watch.
          look();
          const missed = slept - before;
          const awake = clock.now() - start - missed;
          if (missed > 0 && awake < left) arm(left - awake);
          else run();
        }, left);
      };
      arm(milliseconds);
      return handle;
    },
    clearTimeout(handle) {
      if (handle !== null && handle !== undefined) clock.clearTimeout((handle as { timer: unknown }).timer);
    },
  };
}
