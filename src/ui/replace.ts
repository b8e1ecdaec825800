/** A stretch of a cell's source. */
export interface Match {
  readonly cell: string;
  readonly from: number;
  readonly to: number;
}

/** Every place where `query` stands in the cells, in reading order. Case matters only where the query has a capital. */
export function findAll(
  cells: readonly { readonly id: string; readonly source: string }[],
  query: string,
): Match[] {
  if (query === "") return [];
  const exact = /\p{Lu}/u.test(query);
  const wanted = exact ? query : query.toLowerCase();
  const found: Match[] = [];
  for (const { id, source } of cells) {
    const text = exact ? source : source.toLowerCase();
    for (let at = text.indexOf(wanted); at >= 0; at = text.indexOf(wanted, at + wanted.length)) {
      found.push({ cell: id, from: at, to: at + query.length });
    }
  }
  return found;
}

/** The cells' sources with every match replaced. */
export function replaceAll(
  cells: readonly { readonly id: string; readonly source: string }[],
  matches: readonly Match[],
  replacement: string,
): Record<string, string> {
  const sources: Record<string, string> = {};
  for (const { id, source } of cells) {
    const own = matches.filter(({ cell }) => cell === id).sort((a, b) => a.from - b.from);
    if (own.length === 0) continue;
    let text = "";
    let end = 0;
    for (const { from, to } of own) {
      text += source.slice(end, from) + replacement;
      end = to;
    }
    sources[id] = text + source.slice(end);
  }
  return sources;
}
