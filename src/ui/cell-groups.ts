import type { CellView } from "../notebook/session-types.ts";

/** Cells of a group that is filled at its end; one that cells are put into grows beyond it. */
const GROUP_CELLS = 8;

/** Cells that follow each other, under one element of the page. */
export interface CellGroup {
  /** The same for as long as the group has cells, and no other group's before or after. */
  readonly key: number;
  /** Index of its first cell in the notebook. */
  readonly from: number;
  readonly cells: readonly CellView[];
}

/**
 * Puts a notebook's cells into groups, so that the browser passes over what is out of sight a group at a time: what
 * a key costs grows with the boxes beside each other. A cell stays in its group whatever is put in, deleted or moved
 * around it, because in another one its element would be made anew; one that is moved joins where it comes to.
 */
export class CellGroups {
  #keys = new Map<string, number>();
  #next = 0;

  /** The groups of all cells, in order. */
  of(cells: readonly CellView[]): readonly CellGroup[] {
    const known = cells.map(({ id }) => this.#keys.get(id));
    const sizes = new Map<number, number>();
    for (const key of known) if (key !== undefined) sizes.set(key, (sizes.get(key) ?? 0) + 1);
    /** Of a cell that was not moved away from all others of its group. */
    const own = known.map((key, i) =>
      key === known[i - 1] || key === known[i + 1] || sizes.get(key!) === 1 ? key : undefined,
    );
    const ends = new Map(own.map((key, i) => [key, i]));
    const groups: { readonly key: number; readonly from: number; readonly cells: CellView[] }[] = [];
    const used = new Set<number>();
    this.#keys = new Map();
    for (const [i, cell] of cells.entries()) {
      let group = groups.at(-1);
      const key = own[i];
      const leads = key !== undefined && !used.has(key);
      const isFull = group && group.cells.length >= GROUP_CELLS && (ends.get(group.key) ?? -1) < i;
      if (!group || leads || (key === undefined && isFull)) {
        group = { key: leads ? key : this.#next++, from: i, cells: [] };
        groups.push(group);
        used.add(group.key);
      }
      group.cells.push(cell);
      this.#keys.set(cell.id, group.key);
    }
    return groups;
  }

  /** Forgets all: another notebook is shown, none of whose groups is one of these. */
  clear(): void {
    this.#keys.clear();
  }
}
