import {
  isPresent,
  textAt,
  textsOf,
  type Column,
  type DictionaryColumn,
  type NumberColumn,
  type TextColumn,
} from "./arrow-column.ts";
import { decodeAttributes } from "./json-numbers.ts";
import type { AttributeValue, Span } from "./records.ts";
import { numberOf, type SpanColumns } from "./span-columns.ts";
import { rolloutNumberOf } from "./span.ts";

/** A promoted attribute's column is `attributes.<key>`; what was not promoted is JSON in `attributes`. */
export const restColumn = "attributes";
export const attributePrefix = "attributes.";

/** Dictionary columns that every segment has. */
export const repeated = ["traceId", "parentId", "runId", "rolloutId", "attemptId", "name", "status"] as const;

type Repeated = (typeof repeated)[number];

/** Dictionary with its texts, decoded when first asked for. */
class Texts {
  readonly column: DictionaryColumn;
  #distinct: readonly (string | null)[] | null = null;

  constructor(column: DictionaryColumn) {
    this.column = column;
  }

  get distinct(): readonly (string | null)[] {
    this.#distinct ??= textsOf(this.column.distinct);
    return this.#distinct;
  }

  at(row: number): string | null {
    return isPresent(this.column, row) ? (this.distinct[this.column.indices[row]!] ?? null) : null;
  }
}

interface Promoted {
  readonly key: string;
  readonly column: NumberColumn | Texts;
}

/** A segment's columns, on the bytes it was read from; strings and JSON are decoded when first asked for. */
export class SegmentColumns implements SpanColumns {
  readonly length: number;
  readonly sequence: Int32Array;
  readonly #startTime: Float64Array;
  readonly #endTime: Float64Array;
  readonly #spanId: TextColumn;
  readonly #repeated = new Map<Repeated, Texts>();
  readonly #promoted: readonly Promoted[];
  readonly #restColumn: TextColumn;
  #rollout: Int32Array | null = null;
  #rest: (Readonly<Record<string, AttributeValue>> | null)[] | null = null;

  constructor(columns: ReadonlyMap<string, Column>, length: number) {
    this.length = length;
    const missing = (name: string): never => {
      throw new Error(`column ${name} is missing`);
    };
    const text = (name: string): TextColumn => {
      const column = columns.get(name);
      return column?.kind === "text" ? column : missing(name);
    };
    const numbers = (name: string): unknown => {
      const column = columns.get(name);
      return column?.kind === "numbers" ? column.values : missing(name);
    };
    this.sequence = numbers("sequence") as Int32Array;
    this.#startTime = numbers("startTime") as Float64Array;
    this.#endTime = numbers("endTime") as Float64Array;
    this.#spanId = text("spanId");
    this.#restColumn = text(restColumn);
    for (const name of repeated) {
      const column = columns.get(name);
      this.#repeated.set(name, column?.kind === "dictionary" ? new Texts(column) : missing(name));
    }
    const promoted: Promoted[] = [];
    for (const [name, column] of columns) {
      if (!name.startsWith(attributePrefix)) continue;
      const key = name.slice(attributePrefix.length);
      if (column.kind === "numbers") promoted.push({ key, column });
      else if (column.kind === "dictionary") promoted.push({ key, column: new Texts(column) });
      else throw new Error(`column ${name} is a ${column.kind}`);
    }
    this.#promoted = promoted;
  }

  get rollout(): Int32Array {
    this.#rollout ??= this.#rolloutNumbers();
    return this.#rollout;
  }

  spanIdAt(row: number): string {
    return textAt(this.#spanId, row)!;
  }

  nameAt(row: number): string {
    return this.#texts("name").at(row)!;
  }

  rolloutIdAt(row: number): string | null {
    return this.#texts("rolloutId").at(row);
  }

  attemptIdAt(row: number): string | null {
    return this.#texts("attemptId").at(row);
  }

  rowsOfRollout(rolloutId: string | null): number[] {
    const texts = this.#texts("rolloutId");
    const wanted = rolloutId === null ? -1 : texts.distinct.indexOf(rolloutId);
    const { column } = texts;
    const rows: number[] = [];
    if (rolloutId !== null && wanted < 0) return rows;
    for (let row = 0; row < this.length; row++) {
      const present = isPresent(column, row);
      if (rolloutId === null ? !present : present && column.indices[row] === wanted) rows.push(row);
    }
    return rows;
  }

  numericKeys(name: string): readonly string[] {
    const names = this.#texts("name");
    const rows: number[] = [];
    for (let row = 0; row < this.length; row++) if (names.at(row) === name) rows.push(row);
    const keys = new Set<string>();
    for (const { key, column } of this.#promoted) {
      if (!(column instanceof Texts) && rows.some((row) => isPresent(column, row))) keys.add(key);
    }
    for (const row of rows) {
      const rest = this.#restAt(row);
      for (const key in rest) if (typeof rest[key] === "number") keys.add(key);
    }
    return [...keys];
  }

  numbers(key: string): Float64Array {
    const promoted = this.#promoted.find((column) => column.key === key);
    if (promoted?.column instanceof Texts) return new Float64Array(this.length).fill(Number.NaN);
    if (promoted) return promoted.column.values as Float64Array;
    const values = new Float64Array(this.length);
    for (let row = 0; row < this.length; row++) values[row] = numberOf(this.#restAt(row)?.[key]);
    return values;
  }

  spanAt(row: number): Span {
    const attributes: Record<string, AttributeValue> = {};
    for (const { key, column } of this.#promoted) {
      if (column instanceof Texts) {
        const text = column.at(row);
        if (text !== null) attributes[key] = text;
      } else if (isPresent(column, row)) attributes[key] = column.values[row]!;
    }
    const text = (name: Repeated): string | null => this.#texts(name).at(row);
    return {
      spanId: this.spanIdAt(row),
      traceId: text("traceId")!,
      parentId: text("parentId"),
      runId: text("runId")!,
      rolloutId: text("rolloutId"),
      attemptId: text("attemptId"),
      sequence: this.sequence[row]!,
      name: text("name")!,
      status: text("status") as Span["status"],
      startTime: this.#startTime[row]!,
      endTime: this.#endTime[row]!,
      attributes: Object.assign(attributes, this.#restAt(row)),
    };
  }

  /** Each distinct id is parsed once; all rows are of one run. */
  #rolloutNumbers(): Int32Array {
    const { column, distinct } = this.#texts("rolloutId");
    const runId = this.length > 0 ? this.#texts("runId").at(0)! : "";
    const numbers = Int32Array.from(distinct, (id) => rolloutNumberOf(runId, id));
    const result = new Int32Array(this.length);
    for (let row = 0; row < this.length; row++)
      result[row] = isPresent(column, row) ? numbers[column.indices[row]!]! : -1;
    return result;
  }

  #texts(name: Repeated): Texts {
    return this.#repeated.get(name)!;
  }

  #restAt(row: number): Readonly<Record<string, AttributeValue>> | null {
    this.#rest ??= [];
    const known = this.#rest[row];
    if (known !== undefined) return known;
    const json = textAt(this.#restColumn, row);
    const rest = json === null ? null : decodeAttributes(JSON.parse(json) as Record<string, AttributeValue>);
    this.#rest[row] = rest;
    return rest;
  }
}
