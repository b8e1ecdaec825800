import type { CellView } from "../notebook/session-types.ts";

/** The cells of these ids and those that they need, in the order of the notebook. */
export function neededCells(cells: readonly CellView[], ids: readonly string[]): CellView[] {
  const needed = new Set<CellView>();
  const add = (cell: CellView): void => {
    if (needed.has(cell)) return;
    needed.add(cell);
    for (const other of cells) if (other.defines.some((name) => cell.uses.includes(name))) add(other);
  };
  for (const cell of cells) if (ids.includes(cell.id)) add(cell);
  return cells.filter((cell) => needed.has(cell));
}
