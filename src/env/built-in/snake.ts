import { environmentFrom } from "../environment-from.ts";

/**
 * Snake on a board of 6 by 6: left (0), down (1), right (2), up (3), never straight back. 1 for food, -1 for walls and
 * its own body. `board` holds for how many more steps each cell is body; observes body (its age as a share of the
 * length), head and food, 36 numbers each.
 */
export const snake = environmentFrom({
  name: "Snake-6x6",
  state: ["column", "row", "direction", "length", "food", "ate", "dead", "board[36]"],
  actions: { kind: "discrete", count: 4 },
  steps: 500,
  threshold: null,
  reset: `(random, s) => {
    s.column = 2;
    s.row = 3;
    s.direction = 2;
    s.length = 3;
    s.board[18] = 1;
    s.board[19] = 2;
    s.board[20] = 3;
    s.food = freeCell(s.board, s.length, random);
  }`,
  step: `(s, a, random) => {
    s.column += a === 2 ? 1 : a === 0 ? -1 : 0;
    s.row += a === 1 ? 1 : a === 3 ? -1 : 0;
    s.direction = a;
    s.ate = 0;
    if (s.column < 0 || s.column > 5 || s.row < 0 || s.row > 5) {
      s.dead = 1;
      return;
    }
    const head = s.row * 6 + s.column;
    if (head === s.food) {
      s.ate = 1;
      s.length += 1;
    } else {
      for (let i = 0; i < 36; i++) s.board[i] = Math.max(0, s.board[i] - 1);
    }
    if (s.board[head] > 0) s.dead = 1;
    s.board[head] = s.length;
    if (s.ate === 1 && s.length < 36) {
      const cell = freeCell(s.board, s.length, random);
      s.food = cell;
    }
  }`,
  observe: `(s) => {
    const list = new Array(108).fill(0);
    for (let i = 0; i < 36; i++) list[i] = s.board[i] / s.length;
    if (s.dead === 0) list[36 + s.row * 6 + s.column] = 1;
    list[72 + s.food] = 1;
    return list;
  }`,
  reward: {
    food: "(s, a, next) => next.ate",
    death: "(s, a, next) => -next.dead",
  },
  done: "(s) => s.dead === 1 || s.length >= 36",
  allowed: "(s, a) => a !== (s.direction + 2) % 4",
  frameRate: 10,
  view: [-0.1, -0.1, 6.1, 6.1],
  draw: `(s, paint) => {
    for (let i = 0; i < 36; i++) {
      const x = i % 6 + 0.5;
      const y = 5.5 - Math.floor(i / 6);
      if (s.board[i] > 0) paint.rect(x, y, 0.8, 0.8, "body");
      else paint.circle(x, y, 0.04, "ground");
    }
    paint.circle(s.food % 6 + 0.5, 5.5 - Math.floor(s.food / 6), 0.28, "good");
    paint.rect(s.column + 0.5, 5.5 - s.row, 0.86, 0.86, "accent");
  }`,
  functions: {
    freeCell: `(board, length, random) => {
      let left = random.integer(36 - length);
      for (let i = 0; i < 36; i++) {
        if (board[i] > 0) continue;
        if (left === 0) return i;
        left -= 1;
      }
      return 0;
    }`,
  },
});
