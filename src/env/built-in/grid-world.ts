import { FulguriteError } from "../../gpu/error.ts";
import { type CompiledEnvironment, compileEnvironment } from "../compile-environment.ts";
import { type EnvironmentParts, environmentFrom } from "../environment-from.ts";

export interface GridWorldOptions {
  /** Rows of equal length: `.` floor, `#` wall, `S` start (one or more), `G` goal, `O` hole. */
  readonly map?: readonly string[];
  /** Probability that a step turns by 90 degrees, to either side alike; default 0. */
  readonly slip?: number;
  /** A step; default -0.01. */
  readonly stepReward?: number;
  /** Reaching the goal; default 1. */
  readonly goalReward?: number;
  /** Falling into a hole; default -1. */
  readonly holeReward?: number;
  /** Time limit; default four times the number of cells. */
  readonly steps?: number;
}

const defaultMap = ["S..#...", ".#...#.", ".#.#.#.", "...#..G", "##...O."];
const kinds = ".#SGO";
const MAX_CELLS = 256;

/**
 * A grid to walk in, drawn by you: left (0), down (1), right (2), up (3). Walls stop, holes and goals end the episode.
 * Observes the cell, one number for each of them. Throws "env/invalid".
 */
export const gridWorld = (options: GridWorldOptions = {}): CompiledEnvironment =>
  compileEnvironment(environmentFrom(gridWorldSource(options)));

/** The parts of a grid world. */
export function gridWorldSource(options: GridWorldOptions): EnvironmentParts {
  const map = options.map ?? defaultMap;
  const rows = map.length;
  const columns = map[0]?.length ?? 0;
  const cells = [...map.join("")].map((letter) => kinds.indexOf(letter));
  const wrong =
    map.some((row) => row.length !== columns) || cells.length === 0 || cells.length > MAX_CELLS
      ? `has no rows of equal length with 1 to ${MAX_CELLS} cells in all`
      : cells.includes(-1)
        ? `has a cell "${[...map.join("")][cells.indexOf(-1)]}"`
        : !cells.includes(2)
          ? "has no start"
          : null;
  if (wrong !== null) {
    throw new FulguriteError(
      "env/invalid",
      `The map ${wrong}.`,
      'Write rows such as ["S..#", "..OG"]: . floor, # wall, S start, G goal, O hole.',
    );
  }
  const starts = cells.flatMap((kind, cell) => (kind === 2 ? [cell] : []));
  return {
    name: "GridWorld",
    state: ["cell"],
    actions: { kind: "discrete", count: 4 },
    steps: options.steps ?? 4 * cells.length,
    threshold: null,
    reset:
      starts.length === 1
        ? "() => ({ cell: STARTS[0] })"
        : "(random) => ({ cell: STARTS[random.integer(STARTS.length)] })",
    step:
      (options.slip ?? 0) > 0
        ? `(s, a, random) => {
            const u = random.uniform();
            const turn = u < SLIP / 2 ? 3 : u < SLIP ? 1 : 0;
            s.cell = walk(s.cell, (a + turn) % 4);
          }`
        : "(s, a) => { s.cell = walk(s.cell, a); }",
    observe: `(s) => {
      const list = new Array(CELLS.length).fill(0);
      list[s.cell] = 1;
      return list;
    }`,
    reward: {
      step: "() => STEP",
      goal: "(s, a, next) => CELLS[next.cell] === 3 ? GOAL : 0",
      hole: "(s, a, next) => CELLS[next.cell] === 4 ? HOLE : 0",
    },
    done: "(s) => CELLS[s.cell] >= 3",
    frameRate: 6,
    view: [-0.1, -0.1, columns + 0.1, rows + 0.1],
    draw: `(s, paint) => {
      for (let i = 0; i < CELLS.length; i++) {
        const x = i % COLUMNS + 0.5;
        const y = ROWS - Math.floor(i / COLUMNS) - 0.5;
        if (CELLS[i] === 1) paint.rect(x, y, 0.94, 0.94, "body");
        else if (CELLS[i] === 3) paint.rect(x, y, 0.94, 0.94, "good");
        else if (CELLS[i] === 4) paint.circle(x, y, 0.36, "bad");
        else paint.circle(x, y, 0.05, "ground");
      }
      paint.circle(s.cell % COLUMNS + 0.5, ROWS - Math.floor(s.cell / COLUMNS) - 0.5, 0.28, "accent");
    }`,
    constants: {
      CELLS: cells,
      STARTS: starts,
      COLUMNS: columns,
      ROWS: rows,
      SLIP: options.slip ?? 0,
      STEP: options.stepReward ?? -0.01,
      GOAL: options.goalReward ?? 1,
      HOLE: options.holeReward ?? -1,
    },
    functions: {
      walk: `(cell, direction) => {
        const column = cell % COLUMNS;
        const row = Math.floor(cell / COLUMNS);
        const nextColumn = Math.max(0, Math.min(COLUMNS - 1, column + (direction === 2 ? 1 : direction === 0 ? -1 : 0)));
        const nextRow = Math.max(0, Math.min(ROWS - 1, row + (direction === 1 ? 1 : direction === 3 ? -1 : 0)));
        const next = nextRow * COLUMNS + nextColumn;
        return CELLS[next] === 1 ? cell : next;
      }`,
    },
  };
}
