import { DataType, type Data } from "apache-arrow";
import { isPresent, readDictionary, readUtf8 } from "./arrow-columns.ts";
import type { AttributeValue, Span } from "./records.ts";
import { numberOf, type SpanColumns } from "./span-columns.ts";
import { rolloutNumberOf } from "./span.ts";

/** A promoted attribute's column is `attributes.<key>`; what was not promoted is JSON in `attributes`. */
export const restColumn = "attributes";
export const attributePrefix = "attributes.";

/** Dictionary columns that every segment has. */
export const repeated = ["traceId", "parentId", "runId", "rolloutId", "attemptId", "name", "status"] as const;

interface Promoted {
  readonly key: string;
  readonly data: Data;
  /** Null where the attribute is a string. */
  readonly numbers: Float64Array | null;
}

function decodeRest(json: string): Record<string, AttributeValue> {
  const rest = JSON.parse(json) as Record<string, AttributeValue | { readonly number: string }>;
  return Object.fromEntries(
    Object.entries(rest).map(([key, value]) => [
      key,
      typeof value === "object" && value !== null ? Number(value.number) : value,
    ]),
  );
}

/** A segment's columns, on the bytes it was read from; strings and JSON are decoded when first asked for. */
export class SegmentColumns implements SpanColumns {
  readonly length: number;
  readonly #data: ReadonlyMap<string, Data>;
  readonly #promoted: readonly Promoted[];
  readonly #strings = new Map<string, readonly (string | null)[]>();
  #rollout: Int32Array | null = null;
  #rest: readonly (Readonly<Record<string, AttributeValue>> | null)[] | null = null;

  constructor(data: ReadonlyMap<string, Data>, length: number) {
    this.length = length;
    this.#data = data;
    for (const name of ["spanId", ...repeated, "sequence", "startTime", "endTime", restColumn]) {
      if (data.get(name)?.length !== length) throw new Error(`column ${name} is missing or short`);
    }
    this.#promoted = [...data.keys()]
      .filter((name) => name.startsWith(attributePrefix))
      .map((name) => ({
        key: name.slice(attributePrefix.length),
        data: data.get(name)!,
        numbers: DataType.isFloat(data.get(name)!.type) ? (this.#values(name) as Float64Array) : null,
      }));
  }

  get sequence(): Int32Array {
    return this.#values("sequence") as Int32Array;
  }

  get rollout(): Int32Array {
    this.#rollout ??= this.#rolloutNumbers();
    return this.#rollout;
  }

  spanIdAt(row: number): string {
    return this.#text("spanId")[row]!;
  }

  nameAt(row: number): string {
    return this.#text("name")[row]!;
  }

  rolloutIdAt(row: number): string | null {
    return this.#text("rolloutId")[row]!;
  }

  attemptIdAt(row: number): string | null {
    return this.#text("attemptId")[row]!;
  }

  numericKeys(name: string): readonly string[] {
    const rows: number[] = [];
    this.#text("name").forEach((found, row) => {
      if (found === name) rows.push(row);
    });
    const promoted = this.#promoted.filter(
      ({ data, numbers }) => numbers && rows.some((row) => isPresent(data, row)),
    );
    const keys = new Set(promoted.map(({ key }) => key));
    const rest = this.#restRows();
    for (const row of rows) {
      for (const key in rest[row]) if (typeof rest[row][key] === "number") keys.add(key);
    }
    return [...keys];
  }

  numbers(key: string): Float64Array {
    const promoted = this.#promoted.find((column) => column.key === key);
    if (promoted) return promoted.numbers ?? new Float64Array(this.length).fill(Number.NaN);
    return Float64Array.from(this.#restRows(), (rest) => numberOf(rest?.[key]));
  }

  spanAt(row: number): Span {
    const text = (name: string): string | null => this.#text(name)[row]!;
    const time = (name: string): number => (this.#data.get(name)!.values as Float64Array)[row]!;
    const attributes: Record<string, AttributeValue> = {};
    for (const { key, data, numbers } of this.#promoted) {
      if (!isPresent(data, row)) continue;
      attributes[key] = numbers ? numbers[row]! : this.#text(attributePrefix + key)[row]!;
    }
    return {
      spanId: text("spanId")!,
      traceId: text("traceId")!,
      parentId: text("parentId"),
      runId: text("runId")!,
      rolloutId: text("rolloutId"),
      attemptId: text("attemptId"),
      sequence: this.sequence[row]!,
      name: text("name")!,
      status: text("status") as Span["status"],
      startTime: time("startTime"),
      endTime: time("endTime"),
      attributes: Object.assign(attributes, this.#restRows()[row]),
    };
  }

  /** Each distinct id is parsed once; all rows are of one run. */
  #rolloutNumbers(): Int32Array {
    const numbers = new Map<string | null, number>();
    const runIds = this.#text("runId");
    const result = new Int32Array(this.length);
    this.#text("rolloutId").forEach((rolloutId, row) => {
      let number = numbers.get(rolloutId);
      if (number === undefined) {
        number = rolloutNumberOf(runIds[row]!, rolloutId);
        numbers.set(rolloutId, number);
      }
      result[row] = number;
    });
    return result;
  }

  /** Buffers are padded to 8 bytes: an Int32 column of odd length has one element too many. */
  #values(name: string): Int32Array | Float64Array {
    return (this.#data.get(name)!.values as Int32Array | Float64Array).subarray(0, this.length);
  }

  #text(name: string): readonly (string | null)[] {
    let strings = this.#strings.get(name);
    if (!strings) {
      const data = this.#data.get(name)!;
      strings = name === "spanId" || name === restColumn ? readUtf8(data) : readDictionary(data);
      this.#strings.set(name, strings);
    }
    return strings;
  }

  #restRows(): readonly (Readonly<Record<string, AttributeValue>> | null)[] {
    this.#rest ??= this.#text(restColumn).map((json) => (json === null ? null : decodeRest(json)));
    return this.#rest;
  }
}
