import { expect, test } from "vitest";
import { submitPieces, SubmitTurns } from "./submit-turns.ts";

test("two jobs alternate, whatever each has to submit; a failure does not stop the other", async () => {
  const order: string[] = [];
  const turns = new SubmitTurns(async () => {
    await Promise.resolve();
    order.push("done");
  });
  const leave = turns.join();
  expect(turns.contended).toBe(false);
  const leaveOther = turns.join();
  expect(turns.contended).toBe(true);
  const job = async (name: string, submits: number): Promise<void> => {
    for (let n = 0; n < submits; n++) await turns.take(() => void order.push(name), []);
  };
  const broken = expect(
    turns.take(() => {
      throw new Error("no");
    }, []),
  ).rejects.toThrow("no");
  await Promise.all([job("a", 3), job("b", 3), broken]);
  expect(order).toEqual(["a", "done", "b", "done", "a", "done", "b", "done", "a", "done", "b", "done"]);
  leave();
  leave();
  leaveOther();
  expect(turns.contended).toBe(false);
});

test("a device that is slower than expected gets shorter submits, a faster one longer ones", async () => {
  let time = 0;
  let taken = 0;
  const turns = new SubmitTurns(() => {
    time += taken;
    return Promise.resolve();
  });
  const units = Array.from({ length: 40 }, () => ({ seconds: 0.025 }));
  const longest = (): number => Math.max(...turns.pieces(units).map((piece) => piece.length));
  const spend = async (secondsAUnit: number, times = 20): Promise<void> => {
    for (let i = 0; i < times; i++) {
      const units = longest();
      taken = 1000 * secondsAUnit * units;
      await turns.take(() => undefined, [{ seconds: 0.025 * units }]);
    }
  };
  await spend(1, 3);
  expect(turns.pace).toBe(1);
  turns.measureBy(() => time);
  await spend(0.05);
  expect([longest(), turns.pace.toFixed(1)]).toEqual([2, "2.0"]);
  await spend(0.005);
  expect(longest()).toBeGreaterThanOrEqual(18);
  // A failure, or what takes next to no time, says nothing.
  const { pace } = turns;
  taken = 1;
  await turns.take(() => undefined, [{ seconds: 0.001 }]);
  expect(turns.pace).toBe(pace);
});

test("submits are cut where they would take too long", () => {
  const cut = (...seconds: number[]): number[][] =>
    submitPieces(
      seconds.map((s) => ({ seconds: s })),
      10,
    ).map((piece) => piece.map((unit) => unit.seconds));
  expect(cut(1, 2, 3)).toEqual([[1, 2, 3]]);
  expect(cut(4, 4, 4, 25, 1, 9, 1)).toEqual([[4, 4], [4], [25], [1, 9], [1]]);
  expect(cut()).toEqual([]);
});
