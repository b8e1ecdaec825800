import { describe, expect, test } from "vitest";
import { probeLinearVariant } from "../../src/kernels/linear-probe.ts";
import { gpu } from "./support.ts";

describe.skipIf(!gpu)("variants of the kernels", () => {
  test("a probe takes the faster one by a clear lead", async () => {
    const { alive } = gpu!.counters;
    // Read before and after every dispatch, registers and tiled in turn.
    const clock = (times: { registers: number; tiled: number }): (() => number) => {
      let [time, reading] = [0, 0];
      return () => {
        const n = reading++;
        if (n % 2 === 1) time += n % 4 === 1 ? times.registers : times.tiled;
        return time;
      };
    };
    expect(await probeLinearVariant(gpu!, clock({ registers: 10, tiled: 5 }))).toBe("tiled");
    expect(await probeLinearVariant(gpu!, clock({ registers: 10, tiled: 9.5 }))).toBe("registers");
    expect(await probeLinearVariant(gpu!, clock({ registers: 5, tiled: 10 }))).toBe("registers");
    expect(gpu!.counters.alive).toBe(alive);
  });
});
