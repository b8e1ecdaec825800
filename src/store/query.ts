import { FulguriteError } from "../gpu/error.ts";

/** What a field must be; all that are given hold. */
export interface Condition {
  readonly exact?: unknown;
  readonly within?: readonly unknown[];
  /** Part of a text; case counts. */
  readonly contains?: string;
  readonly atLeast?: number;
  readonly atMost?: number;
}

export interface PageQuery<Row> {
  /** By field. A field may have several conditions: give a list. */
  readonly filter?: Readonly<Partial<Record<keyof Row & string, Condition | readonly Condition[]>>>;
  /** "and" (default): all conditions hold; "or": at least one. Without any condition everything is wanted. */
  readonly logic?: "and" | "or";
  /** Default the order of creation. */
  readonly sortBy?: keyof Row & string;
  /** Default "asc". */
  readonly sortOrder?: "asc" | "desc";
  /** From 1; null, the default: all. */
  readonly limit?: number | null;
  /** Default 0. Past the end there is nothing, and `total` still says how many there are. */
  readonly offset?: number;
}

export interface Page<Row> {
  readonly items: Row[];
  /** Null where all were asked for. */
  readonly limit: number | null;
  readonly offset: number;
  /** All that the filter takes, on whatever page. */
  readonly total: number;
}

function holds(value: unknown, { exact, within, contains, atLeast, atMost }: Condition): boolean {
  if (exact !== undefined && value !== exact) return false;
  if (within !== undefined && !within.includes(value)) return false;
  if (contains !== undefined && !(typeof value === "string" && value.includes(contains))) return false;
  if (atLeast !== undefined && !(typeof value === "number" && value >= atLeast)) return false;
  return atMost === undefined || (typeof value === "number" && value <= atMost);
}

/** Says of each row whether the query wants it. */
export function rowFilter<Row>({ filter, logic = "and" }: PageQuery<Row>): (row: Row) => boolean {
  const given = Object.entries(filter ?? {}) as [keyof Row, Condition | readonly Condition[] | undefined][];
  const conditions = given.flatMap(([field, condition]) =>
    [condition ?? []].flat().map((each) => [field, each as Condition] as const),
  );
  if (conditions.length === 0) return () => true;
  const test =
    (row: Row) =>
    ([field, condition]: (typeof conditions)[number]) =>
      holds(row[field], condition);
  return logic === "or" ? (row) => conditions.some(test(row)) : (row) => conditions.every(test(row));
}

const isTime = (field: string): boolean => /(Time|_time)$|^last[A-Z]/.test(field);
const missing = (value: unknown): boolean =>
  value === null || value === undefined || (typeof value === "number" && Number.isNaN(value));

/**
 * Compares rows by one field: a missing time is later than any, a missing text is "", a missing number comes last in
 * either order, and anything else compares as JSON. Equal rows keep their order.
 */
export function rowOrder<Row>(field: keyof Row & string, order: "asc" | "desc"): (a: Row, b: Row) => number {
  const sign = order === "desc" ? -1 : 1;
  return (left, right) => {
    const [a, b]: [unknown, unknown] = [left[field], right[field]];
    if (isTime(field)) return sign * compare(missing(a) ? Infinity : a, missing(b) ? Infinity : b);
    if (typeof a === "number" || typeof b === "number") {
      if (missing(a) || missing(b)) return Number(missing(a)) - Number(missing(b));
      return sign * compare(a, b);
    }
    return sign * compare(textOf(a), textOf(b));
  };
}

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : missing(value) ? "" : JSON.stringify(value);

function compare(a: unknown, b: unknown): number {
  const [left, right] = [a as number, b as number];
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Throws "store/invalid-query" for a page that cannot be. */
export function checkPage({ limit = null, offset = 0 }: PageQuery<never>): void {
  if ((limit === null || (Number.isInteger(limit) && limit > 0)) && Number.isInteger(offset) && offset >= 0)
    return;
  throw new FulguriteError(
    "store/invalid-query",
    `There is no page of ${limit} rows from row ${offset}.`,
    "Ask for one row or more (or null for all), from row 0 or later.",
  );
}

/** One page of rows that are all at hand. */
export function selectPage<Row>(rows: readonly Row[], query: PageQuery<Row>): Page<Row> {
  checkPage(query as PageQuery<never>);
  const { sortBy, sortOrder = "asc", limit = null, offset = 0 } = query;
  const wanted = rows.filter(rowFilter(query));
  if (sortBy !== undefined) wanted.sort(rowOrder(sortBy, sortOrder));
  else if (sortOrder === "desc") wanted.reverse();
  const items = wanted.slice(offset, limit === null ? undefined : offset + limit);
  return { items, limit, offset, total: wanted.length };
}
