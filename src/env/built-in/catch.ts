import { environmentFrom } from "../environment-from.ts";

/**
 * Catch (Osband et al. 2019, bsuite): a ball falls through a board of 10 rows and 5 columns, one row a step, and a
 * paddle in the last row goes left (0), stays (1) or goes right (2). 1 for the ball caught, -1 for the ball missed.
 * Observes the board: 50 numbers, 1 where ball or paddle is.
 */
export const catchBall = environmentFrom({
  name: "Catch",
  state: ["ballColumn", "ballRow", "paddle"],
  actions: { kind: "discrete", count: 3 },
  steps: 10,
  threshold: 1,
  reset: "(random) => ({ ballColumn: random.integer(5), ballRow: 0, paddle: 2 })",
  step: `(s, a) => ({
    ballRow: s.ballRow + 1,
    paddle: Math.max(0, Math.min(4, s.paddle + a - 1)),
  })`,
  observe: `(s) => {
    const board = new Array(50).fill(0);
    board[s.ballRow * 5 + s.ballColumn] = 1;
    board[45 + s.paddle] = 1;
    return board;
  }`,
  reward: "(s, a, next) => next.ballRow < 9 ? 0 : next.ballColumn === next.paddle ? 1 : -1",
  done: "(s) => s.ballRow >= 9",
  frameRate: 8,
  view: [-0.3, -0.3, 5.3, 10.3],
  draw: `(s, paint) => {
    paint.line(-0.3, 0, 5.3, 0, 0.03, "ground");
    paint.circle(s.ballColumn + 0.5, 9.5 - s.ballRow, 0.35, "body");
    paint.rect(s.paddle + 0.5, 0.25, 1, 0.4, "accent");
  }`,
});
