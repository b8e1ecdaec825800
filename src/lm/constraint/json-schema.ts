import { FulguriteError } from "../../gpu/error.ts";

type Schema = Readonly<Record<string, unknown>>;

const unsupported = (what: string): FulguriteError =>
  new FulguriteError(
    "lm/unsupported-schema",
    `The JSON schema has ${what}, which cannot be turned into a grammar.`,
    "Use type, properties, required, items, minItems, maxItems, minLength, maxLength, enum, const, anyOf, $ref and $defs.",
  );

/** Keywords that do not narrow what is written, or that are read. */
const known = new Set(
  "type properties required additionalProperties items minItems maxItems minLength maxLength enum const anyOf oneOf $ref $defs definitions title description default examples $schema $id $comment strict".split(
    " ",
  ),
);

const common = `char ::= [^"\\\\\\x00-\\x1f] | "\\\\" (["\\\\/bfnrt] | "u" [0-9a-fA-F]{4})
string ::= "\\"" char* "\\""
integer ::= "-"? ("0" | [1-9] [0-9]{0,14})
number ::= integer ("." [0-9]{1,15})? ([eE] [-+]? [0-9]{1,2})?
boolean ::= "true" | "false"
null ::= "null"
value ::= object | array | string | number | boolean | null
object ::= "{" (string ":" value ("," string ":" value)*)? "}"
array ::= "[" (value ("," value)*)? "]"
`;

/** Grammar, in the notation of \`parseGrammar\`, of JSON objects of any content. */
export const jsonObjectGrammar = `root ::= object\n${common}`;

/**
 * Grammar of the JSON texts, without spaces, that a JSON schema describes; properties in their order, those that are not
 * required left out or not, others than those named never written. Throws "lm/unsupported-schema" where a keyword would
 * narrow it further.
 */
export function jsonSchemaGrammar(schema: unknown): string {
  const rules: string[] = [];
  const refs = new Map<string, string>();
  const root = schema as Schema;

  const add = (body: string): string => {
    const name = `r${rules.length}`;
    rules.push(`${name} ::= ${body}`);
    return name;
  };

  const resolve = (pointer: string): unknown => {
    const path = /^#(?:\/(.*))?$/.exec(pointer);
    if (!path) throw unsupported(`the reference "${pointer}"`);
    const parts = path[1] === undefined ? [] : path[1].split("/");
    let found: unknown = root;
    for (const part of parts) {
      found = (found as Schema | undefined)?.[part.replaceAll("~1", "/").replaceAll("~0", "~")];
    }
    if (found === undefined) throw unsupported(`the reference "${pointer}" to nowhere`);
    return found;
  };

  const count = (given: unknown, otherwise: number): number => {
    if (given === undefined) return otherwise;
    if (Number.isInteger(given) && (given as number) >= 0) return given as number;
    throw unsupported(`the length ${String(given)}`);
  };
  const times = (least: number, most: number): string => `{${least},${most === Infinity ? "" : most}}`;

  const object = (s: Schema): string => {
    const properties = Object.entries((s["properties"] ?? {}) as Schema);
    const required = new Set((s["required"] ?? []) as readonly string[]);
    const missing = [...required].find((name) => !properties.some(([known]) => known === name));
    if (missing !== undefined) throw unsupported(`a required property "${missing}" without a schema`);
    if (properties.length === 0 && s["additionalProperties"] !== false) return "object";
    let [first, rest] = ['""', '""'];
    for (const [name, value] of properties.toReversed()) {
      const pair = `${literal(JSON.stringify(name))} ":" ${rule(value)}`;
      const skip = required.has(name) ? null : [first, rest];
      [first, rest] = [
        add(`${pair} ${rest}${skip ? ` | ${skip[0]!}` : ""}`),
        add(`"," ${pair} ${rest}${skip ? ` | ${skip[1]!}` : ""}`),
      ];
    }
    return add(`"{" ${first} "}"`);
  };

  const array = (s: Schema): string => {
    const item = s["items"] === undefined ? "value" : rule(s["items"]);
    const [least, most] = [count(s["minItems"], 0), count(s["maxItems"], Infinity)];
    if (most < least) throw unsupported("more minItems than maxItems");
    if (most === 0) return add('"[]"');
    const more = `${item} ("," ${item})${times(Math.max(0, least - 1), most - 1)}`;
    return add(least === 0 ? `"[" (${more})? "]"` : `"[" ${more} "]"`);
  };

  const ofType = (type: unknown, s: Schema): string => {
    switch (type) {
      case "object":
        return object(s);
      case "array":
        return array(s);
      case "string":
        if (s["minLength"] === undefined && s["maxLength"] === undefined) return "string";
        return add(`"\\"" char${times(count(s["minLength"], 0), count(s["maxLength"], Infinity))} "\\""`);
      case "integer":
      case "number":
      case "boolean":
      case "null":
        return type;
      default:
        throw unsupported(`the type ${JSON.stringify(type)}`);
    }
  };

  function rule(given: unknown): string {
    if (given === true) return "value";
    if (typeof given !== "object" || given === null || Array.isArray(given)) {
      throw unsupported(`${JSON.stringify(given)} in place of a schema`);
    }
    const s = given as Schema;
    const strange = Object.keys(s).find((key) => !known.has(key));
    if (strange !== undefined) throw unsupported(`"${strange}"`);
    if (typeof s["$ref"] === "string") {
      const pointer = s["$ref"];
      const seen = refs.get(pointer);
      if (seen !== undefined) return seen;
      const name = `ref${refs.size}`;
      refs.set(pointer, name);
      rules.push(`${name} ::= ${rule(resolve(pointer))}`);
      return name;
    }
    if ("const" in s) return add(literal(JSON.stringify(s["const"])));
    if (Array.isArray(s["enum"])) return add(s["enum"].map((v) => literal(JSON.stringify(v))).join(" | "));
    const either = s["anyOf"] ?? s["oneOf"];
    if (Array.isArray(either)) return add(either.map(rule).join(" | "));
    const { type } = s;
    if (Array.isArray(type)) return add(type.map((one) => ofType(one, s)).join(" | "));
    if (type === undefined) return s["properties"] ? object(s) : "value";
    return ofType(type, s);
  }

  const start = rule(schema);
  return `root ::= ${start}\n${rules.join("\n")}\n${common}`;
}

/** A literal of the grammar. */
const literal = (text: string): string =>
  `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
