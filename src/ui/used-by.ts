import type { CellView } from "../notebook/session-types.ts";

const none: readonly string[] = [];

/**
 * Cells that use a cell's names, by cell. A list that has not changed is the same array as before, so that an edit
 * of one cell of many draws that cell and not all of them.
 */
export class UsedBy {
  #lists = new Map<string, readonly string[]>();
  #of: readonly CellView[] | null = null;

  of(cells: readonly CellView[]): ReadonlyMap<string, readonly string[]> {
    if (cells === this.#of) return this.#lists;
    this.#of = cells;
    const definer = new Map(cells.flatMap(({ id, defines }) => defines.map((name) => [name, id] as const)));
    const users = new Map<string, Set<string>>();
    for (const { id, uses } of cells) {
      for (const name of uses) {
        const from = definer.get(name);
        if (from === undefined) continue;
        const set = users.get(from);
        if (set) set.add(id);
        else users.set(from, new Set([id]));
      }
    }
    const lists = new Map<string, readonly string[]>();
    for (const { id } of cells) {
      const list = [...(users.get(id) ?? none)];
      const old = this.#lists.get(id) ?? none;
      lists.set(id, list.length === old.length && list.every((user, i) => user === old[i]) ? old : list);
    }
    this.#lists = lists;
    return lists;
  }
}
