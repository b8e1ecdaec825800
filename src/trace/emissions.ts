import { FulguriteError } from "../gpu/error.ts";
import type { AttributeValue } from "../store/records.ts";
import { flattenAttributes, nestedBelow } from "./attributes.ts";
import { linkAttributes, tagAttributes } from "./links.ts";
import { plainValue } from "./plain-value.ts";
import { agentLightning } from "./semantic-conventions.ts";

type Attributes = Readonly<Record<string, AttributeValue>>;

/** A reward, or several with a primary one: its attributes, the primary one first. Throws "trace/invalid-reward". */
export function rewardAttributes(value: unknown, primary: string | null = null): Attributes {
  const invalid = (message: string, fix: string): FulguriteError =>
    new FulguriteError("trace/invalid-reward", message, fix);
  const asNumber = (name: string, from: unknown): number => {
    const number = typeof from === "boolean" ? Number(from) : from;
    if (typeof number === "number" && !Number.isNaN(number)) return number;
    throw invalid(`The reward "${name}" is ${describe(from)}.`, "Emit a number.");
  };
  if (typeof value !== "object" || value === null) {
    return indexed([[agentLightning.primary, asNumber(agentLightning.primary, value)]]);
  }
  const dimensions = Object.entries(value).map(([name, from]) => [name, asNumber(name, from)] as const);
  if (primary === null) {
    const fix = 'Say which one counts: emit.reward({ exact: 1, short: 0.5 }, { primary: "exact" }).';
    throw invalid(`The reward has ${dimensions.length} parts and none is the primary one.`, fix);
  }
  const first = dimensions.find(([name]) => name === primary);
  if (!first) {
    const names = dimensions.map(([name]) => name).join(", ");
    throw invalid(`The primary reward "${primary}" is none of ${names}.`, "Name one of them.");
  }
  return indexed([first, ...dimensions.filter((dimension) => dimension !== first)]);
}

const describe = (value: unknown): string =>
  typeof value === "string"
    ? `the text "${value.slice(0, 40)}"`
    : value === null
      ? "null"
      : `a ${typeof value}`;

const indexed = (dimensions: readonly (readonly [string, number])[]): Attributes =>
  Object.fromEntries(
    dimensions.flatMap(([name, value], i): [string, AttributeValue][] => [
      [agentLightning.rewardName(i), name],
      [agentLightning.rewardValue(i), value],
    ]),
  );

export const messageAttributes = (text: unknown): Attributes => ({
  [agentLightning.messageBody]: typeof text === "string" ? text : JSON.stringify(plainValue(text)),
});

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Any value: texts, numbers and booleans literally, bytes as base64, else JSON. */
export function objectAttributes(value: unknown): Attributes {
  const { objectType: type, objectLiteral: literal, objectJson: json } = agentLightning;
  if (value instanceof Uint8Array) return { [type]: "bytes", [literal]: base64(value) };
  if (typeof value === "string" || typeof value === "number" || typeof value === "boolean") {
    return { [type]: typeof value, [literal]: value };
  }
  const kind = value === null || value === undefined ? "null" : Array.isArray(value) ? "array" : typeof value;
  return { [type]: kind, [json]: JSON.stringify(plainValue(value)) };
}

/** The value that a span's object attributes stand for; undefined where it has none or it cannot be read. */
export function objectOf(attributes: Readonly<Record<string, unknown>>): unknown {
  const literal = attributes[agentLightning.objectLiteral];
  try {
    if (attributes[agentLightning.objectType] === "bytes" && typeof literal === "string") {
      return Uint8Array.from(atob(literal), (character) => character.charCodeAt(0));
    }
    if (literal !== undefined) return literal;
    const json = attributes[agentLightning.objectJson];
    return typeof json === "string" ? (JSON.parse(json) as unknown) : undefined;
  } catch {
    return undefined;
  }
}

/** An error as OpenTelemetry names its parts. */
export function exceptionAttributes(error: unknown): Attributes {
  const { type, name, message, stack } = (error ?? {}) as Readonly<Record<string, unknown>>;
  return {
    "exception.type": String(type ?? name ?? typeof error),
    "exception.message": String(message ?? error),
    ...(typeof stack === "string" && stack !== "" ? { "exception.stacktrace": stack } : {}),
    "exception.escaped": false,
  };
}

/** Nested attributes with dotted keys, lists item by item. */
export const annotationAttributes = (value: unknown, prefix = ""): Attributes => {
  const nested = prefix === "" ? value : { [prefix]: value };
  return flattenAttributes(plainValue(nested, { values: 2000 }), { expandLists: true }) as Attributes;
};

/** What an operation was given and what it gave, below "agentlightning.operation.input" and ".output". */
export const operationValues = (part: "input" | "output", value: unknown): Attributes =>
  value === undefined
    ? {}
    : annotationAttributes(
        value,
        part === "input" ? agentLightning.operationInput : agentLightning.operationOutput,
      );

/** Input or output of an operation's span; null where it has none. */
export function operationValueOf(
  attributes: Readonly<Record<string, unknown>>,
  part: "input" | "output",
): unknown {
  const key = part === "input" ? agentLightning.operationInput : agentLightning.operationOutput;
  return attributes[key] ?? nestedBelow(attributes, key);
}

export const taggedAttributes = (
  tags: readonly string[],
  links: readonly (readonly [string, string])[],
): Attributes =>
  ({
    ...(tags.length > 0 ? tagAttributes(tags) : {}),
    ...(links.length > 0 ? linkAttributes(Object.fromEntries(links)) : {}),
  }) as Attributes;
