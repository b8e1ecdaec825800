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
    for (let n = 0; n < submits; n++) await turns.take(() => void order.push(name));
  };
  const broken = expect(
    turns.take(() => {
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  await Promise.all([job("a", 3), job("b", 3), broken]);
  expect(order).toEqual(["a", "done", "b", "done", "a", "done", "b", "done", "a", "done", "b", "done"]);
  leave();
  leave();
  leaveOther();
  expect(turns.contended).toBe(false);
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
