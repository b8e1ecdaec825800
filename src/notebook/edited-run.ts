import type { HostCell } from "./host-cell.ts";

/**
 * Whether a cell runs whose own text was edited, or, where it is eager, that of a cell that it depends on. `sent` is what
 * the kernel was last told of each cell, `now` the text as it is.
 */
export function isEditOfWhatRuns(
  cells: ReadonlyMap<string, HostCell>,
  sent: ReadonlyMap<string, string>,
  now: readonly { readonly id: string; readonly source: string }[],
): boolean {
  const edited = new Set<string>();
  for (const { id, source } of now) if (sent.get(id) !== source) edited.add(id);
  for (const id of sent.keys()) if (!cells.has(id)) return true;
  const owners = new Map<string, string>();
  for (const [id, { defines }] of cells) for (const name of defines) owners.set(name, id);
  const depends = (id: string, seen: Set<string>): boolean => {
    if (edited.has(id)) return true;
    if (seen.has(id)) return false;
    seen.add(id);
    return (cells.get(id)?.uses ?? []).some((name) => depends(owners.get(name) ?? "", seen));
  };
  return [...cells].some(
    ([id, { state, lazy }]) => state.kind === "running" && (lazy ? edited.has(id) : depends(id, new Set())),
  );
}
