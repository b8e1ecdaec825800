import { invalid } from "./gateway-error.ts";

/**
 * Reads a request body field by field and knows which were read: what remains is refused by name, so that
 * nothing an agent asks for is silently ignored. A field that is null or undefined counts as absent.
 */
export class RequestFields {
  readonly #body: Readonly<Record<string, unknown>>;
  readonly #left: Set<string>;

  constructor(body: Readonly<Record<string, unknown>>) {
    this.#body = body;
    this.#left = new Set(Object.keys(body).filter((key) => body[key] !== null && body[key] !== undefined));
  }

  /** The raw value, undefined where absent. */
  take(name: string): unknown {
    this.#left.delete(name);
    return this.#body[name] ?? undefined;
  }

  number(
    name: string,
    range: { readonly minimum: number; readonly maximum: number; readonly integer?: boolean },
  ): number | null {
    const value = this.take(name);
    if (value === undefined) return null;
    if (
      typeof value !== "number" ||
      !(value >= range.minimum && value <= range.maximum) ||
      (range.integer === true && !Number.isInteger(value))
    ) {
      const kind = range.integer === true ? "an integer" : "a number";
      throw invalid(name, `"${name}" must be ${kind} from ${range.minimum} to ${range.maximum}.`);
    }
    return value;
  }

  boolean(name: string): boolean {
    const value = this.take(name);
    if (value === undefined) return false;
    if (typeof value !== "boolean") throw invalid(name, `"${name}" must be true or false.`);
    return value;
  }

  string(name: string): string | null {
    const value = this.take(name);
    if (value === undefined) return null;
    if (typeof value !== "string") throw invalid(name, `"${name}" must be a string.`);
    return value;
  }

  /** One string or a list of them. */
  strings(name: string, most: number): readonly string[] {
    const value = this.take(name);
    if (value === undefined) return [];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    if (list.length > most || !list.every((entry) => typeof entry === "string" && entry !== "")) {
      throw invalid(name, `"${name}" must be a string or at most ${most} non-empty strings.`);
    }
    return list as readonly string[];
  }

  integers(name: string): readonly number[] | null {
    const value = this.take(name);
    if (value === undefined) return null;
    if (!Array.isArray(value) || !value.every((entry) => Number.isInteger(entry))) {
      throw invalid(name, `"${name}" must be a list of integers.`);
    }
    return value as readonly number[];
  }

  /** A field that has no influence on what is sampled. */
  skip(...names: readonly string[]): void {
    for (const name of names) this.#left.delete(name);
  }

  /** A field that we only understand at a value which changes nothing. */
  neutral(name: string, ...values: readonly unknown[]): void {
    const value = this.take(name);
    if (value === undefined || isEmpty(value)) return;
    if (!values.some((allowed) => JSON.stringify(allowed) === JSON.stringify(value))) {
      throw invalid(
        name,
        `"${name}" is not supported by this policy; leave it out.`,
        "unsupported_parameter",
      );
    }
  }

  /** Refuses the first field that nobody read. */
  finish(): void {
    for (const name of this.#left) {
      throw invalid(name, `"${name}" is not a supported parameter; leave it out.`, "unsupported_parameter");
    }
  }
}

const isEmpty = (value: unknown): boolean =>
  typeof value === "object" && value !== null && Object.keys(value).length === 0;
