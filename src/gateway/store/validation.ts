/** One thing wrong with a request, as clients of the original read it (pydantic's form). */
export interface Issue {
  readonly type: string;
  readonly loc: readonly (string | number)[];
  readonly msg: string;
  readonly input: unknown;
  readonly ctx?: Readonly<Record<string, unknown>>;
}

/** An answer that is an error: its status and body. */
export class RestError extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, body: unknown) {
    super(`HTTP ${status}`);
    this.name = "RestError";
    this.status = status;
    this.body = body;
  }
}

export const badRequest = (detail: string): RestError => new RestError(400, { detail });

export const unprocessable = (issues: readonly Issue[]): RestError => new RestError(422, { detail: issues });

/** The original's answer where its own code threw. */
export const internalError = (type: string, last: string): RestError =>
  new RestError(500, {
    detail: "Internal server error",
    error_type: type,
    traceback: `Traceback (most recent call last):\n${last}`,
  });

export type Fields = Readonly<Record<string, unknown>>;
type Place = readonly (string | number)[];
/** Says what is wrong with a value at a place. */
export type Rule = (value: unknown, loc: Place) => Issue[];

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

const typeRule =
  (type: string, noun: string, test: (value: unknown) => boolean): Rule =>
  (input, loc) =>
    test(input) ? [] : [{ type, loc, msg: `Input should be a valid ${noun}`, input }];

export const any: Rule = () => [];
export const text = typeRule("string_type", "string", (value) => typeof value === "string");
export const integer = typeRule("int_type", "integer", (value) => Number.isInteger(value));
export const number = typeRule("float_type", "number", (value) => typeof value === "number");
export const dictionary = typeRule("dict_type", "dictionary", isFields);

export const nullable =
  (rule: Rule): Rule =>
  (value, loc) =>
    value === null ? [] : rule(value, loc);

export const atLeast =
  (rule: Rule, least: number): Rule =>
  (input, loc) => {
    const issues = rule(input, loc);
    if (issues.length > 0 || (input as number) >= least) return issues;
    const msg = `Input should be greater than or equal to ${least}`;
    return [{ type: "greater_than_equal", loc, msg, input, ctx: { ge: least } }];
  };

export const list =
  (rule: Rule): Rule =>
  (input, loc) =>
    Array.isArray(input)
      ? input.flatMap((item: unknown, i) => rule(item, [...loc, i]))
      : [{ type: "list_type", loc, msg: "Input should be a valid list", input }];

/** "'a', 'b' or 'c'". */
const listed = (values: readonly string[]): string => {
  const quoted = values.map((value) => `'${value}'`);
  return quoted.length < 2 ? quoted.join() : `${quoted.slice(0, -1).join(", ")} or ${quoted.at(-1)!}`;
};

export const literal =
  (...values: readonly string[]): Rule =>
  (input, loc) => {
    if (typeof input === "string" && values.includes(input)) return [];
    const expected = listed(values);
    return [{ type: "literal_error", loc, msg: `Input should be ${expected}`, input, ctx: { expected } }];
  };

/** An object; a field that may be left out is in `optional`. Further fields are let through. */
export const object =
  (required: Readonly<Record<string, Rule>>, optional: Readonly<Record<string, Rule>> = {}): Rule =>
  (input, loc) => {
    if (!isFields(input)) {
      const msg = "Input should be a valid dictionary or object to extract fields from";
      return [{ type: "model_attributes_type", loc, msg, input }];
    }
    const missing = (key: string): Issue => ({
      type: "missing",
      loc: [...loc, key],
      msg: "Field required",
      input,
    });
    return [
      ...Object.entries(required).flatMap(([key, rule]) =>
        key in input ? rule(input[key], [...loc, key]) : [missing(key)],
      ),
      ...Object.entries(optional).flatMap(([key, rule]) =>
        key in input ? rule(input[key], [...loc, key]) : [],
      ),
    ];
  };

/** One of several kinds of object, told apart by a field. */
export const tagged =
  (tag: string, kinds: Readonly<Record<string, Rule>>): Rule =>
  (input, loc) => {
    const discriminator = `'${tag}'`;
    const found = isFields(input) ? input[tag] : undefined;
    if (found === undefined) {
      const msg = `Unable to extract tag using discriminator ${discriminator}`;
      return [{ type: "union_tag_not_found", loc, msg, input, ctx: { discriminator } }];
    }
    const rule = typeof found === "string" && Object.hasOwn(kinds, found) ? kinds[found] : undefined;
    if (rule) return rule(input, [...loc, found as string]);
    const name = typeof found === "string" ? found : JSON.stringify(found);
    const expected = Object.keys(kinds)
      .map((kind) => `'${kind}'`)
      .join(", ");
    const msg = `Input tag '${name}' found using ${discriminator} does not match any of the expected tags: ${expected}`;
    return [
      {
        type: "union_tag_invalid",
        loc,
        msg,
        input,
        ctx: { discriminator, tag: name, expected_tags: expected },
      },
    ];
  };

/** Throws a 422 with everything that is wrong. */
export function check(rule: Rule, value: unknown, where: "body" | "query"): void {
  const issues = rule(value, [where]);
  if (issues.length === 0) return;
  // A query string is no object that could be shown.
  const shown = (issue: Issue): Issue => (issue.type === "missing" ? { ...issue, input: null } : issue);
  throw unprocessable(where === "query" ? issues.map(shown) : issues);
}

/** Throws a 400 where a field that may be left out is there, and null. */
export function refuseNulls(body: Fields, fields: readonly string[]): void {
  for (const field of fields) {
    if (body[field] === null) throw badRequest(`${field} is invalid; it cannot be a null value.`);
  }
}
