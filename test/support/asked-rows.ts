import type { Schema } from "../../notebooks/text-to-sql.nb.ts";

/** A row of one table, or of a parent and its child. */
type Row = Readonly<Record<string, string | number>>;

/** What a question asks for, and how it may be told from what SQLite gave. */
export interface AskedRows {
  readonly rows: readonly string[];
  /** Rows come in this order. */
  readonly ordered: boolean;
  /** More than one answer would be right: rows that are level are cut. */
  readonly undecided: boolean;
}

const functions: Readonly<Record<string, (values: readonly number[]) => number>> = {
  average: (values) => sum(values) / values.length,
  mean: (values) => sum(values) / values.length,
  total: (values) => sum(values),
  sum: (values) => sum(values),
  lowest: (values) => Math.min(...values),
  minimum: (values) => Math.min(...values),
  highest: (values) => Math.max(...values),
  maximum: (values) => Math.max(...values),
};

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);

/**
 * Answers a question of the text-to-SQL task from the rows of its tables, by its words alone: without SQL, and without what
 * the notebook holds for the right query. Rows as the notebook writes them: JSON, reals to six digits.
 */
export function askedRows(schema: Schema, question: string, tables: readonly (readonly Row[])[]): AskedRows {
  const said = question.split(" ");
  const column = (name: string | undefined) => schema.columns.find((it) => it.name === name);
  const table = schema.tables.findIndex(({ name }) => said.includes(name));
  const used = new Set(said.flatMap((word) => column(word)?.table ?? []));
  const counts = said[0] === "how" || said[0] === "number";
  if (counts) used.add(table);
  const [first, second] = [...used].sort();
  let rows = tables[first!]!;
  if (second !== undefined) {
    const { link } = schema.tables[second]!;
    rows = tables[second]!.map((child) => ({
      ...tables[first!]!.find(({ id }) => id === child[link])!,
      ...child,
    }));
  }
  const filter = said.findIndex((word) => word === "with" || word === "whose");
  if (filter >= 0) {
    const [name, sign, wanted] = said.slice(filter + 1) as [string, string, string];
    rows = rows.filter(({ [name]: value }) =>
      sign === "is"
        ? value === wanted
        : sign === "over" || sign === "above"
          ? Number(value) > Number(wanted)
          : Number(value) < Number(wanted),
    );
  }
  const written = (...cells: readonly unknown[]): string =>
    JSON.stringify(cells.map((cell) => (typeof cell === "number" ? Number(cell.toPrecision(6)) : cell)));
  const plain = { ordered: false, undecided: false };
  if (said[0] === "list" || said[0] === "show") {
    return { ...plain, rows: rows.map(({ [said[1]!]: value }) => written(value)) };
  }
  if (said[0] === "top") {
    const [, count, name, , extreme, by] = said;
    const sign = extreme === "highest" || extreme === "maximum" ? -1 : 1;
    const sorted = [...rows].sort((a, b) => sign * (Number(a[by!]) - Number(b[by!])));
    const shown = sorted.slice(0, Number(count));
    const level = sorted.some((row, i) => i < shown.length && row[by!] === sorted[i + 1]?.[by!]);
    return { ordered: true, undecided: level, rows: shown.map(({ [name!]: value }) => written(value)) };
  }
  const figure = (group: readonly Row[]): number | null => {
    if (counts) return group.length;
    return group.length === 0
      ? null
      : functions[said[0]!]!(group.map(({ [said[1]!]: value }) => Number(value)));
  };
  const per = said
    .slice(0, filter < 0 ? undefined : filter)
    .findIndex((word) => /^(each|per|by)$/.test(word));
  if (per < 0) return { ...plain, rows: [written(figure(rows))] };
  const name = said[per + 1]!;
  return {
    ...plain,
    rows: [...new Set(rows.map(({ [name]: value }) => value))].map((value) =>
      written(value, figure(rows.filter(({ [name]: own }) => own === value))),
    ),
  };
}
