/** A value of a flat attribute, as OpenTelemetry has them: a scalar or a list of scalars of one type. */
export type FlatValue = string | number | boolean | null | readonly (string | number | boolean)[];

export type FlatAttributes = Readonly<Record<string, FlatValue>>;

/** What attributes stand for when their dots are read as paths. */
export type Nested = FlatValue | readonly Nested[] | { readonly [key: string]: Nested };

export interface FlattenOptions {
  /** Write lists of scalars item by item too ("tag.0", "tag.1"). Default false: they stay lists. */
  readonly expandLists?: boolean;
}

type ScalarType = "string" | "boolean" | "integer" | "float";

/** Whole numbers and others differ: a list of both has no one type in OpenTelemetry. */
function scalarType(value: unknown): ScalarType | null {
  switch (typeof value) {
    case "string":
      return "string";
    case "boolean":
      return "boolean";
    case "number":
      return Number.isInteger(value) ? "integer" : "float";
    default:
      return null;
  }
}

function isLeafList(list: readonly unknown[]): list is readonly (string | number | boolean)[] {
  const type = scalarType(list[0]);
  return type !== null && list.every((item) => scalarType(item) === type);
}

/**
 * Nested objects and lists as dotted keys (Agent Lightning, utils/otel.py). Empty objects and lists leave nothing; a
 * list of scalars of one type stays a list unless `expandLists`.
 */
export function flattenAttributes(
  value: unknown,
  { expandLists = false }: FlattenOptions = {},
): FlatAttributes {
  const flat = new Map<string, FlatValue>();
  const walk = (inner: unknown, path: string): void => {
    if (Array.isArray(inner)) {
      const list = inner as readonly unknown[];
      if (!expandLists && path !== "" && isLeafList(list)) flat.set(path, list);
      else
        list.forEach((item, i) => {
          walk(item, path === "" ? String(i) : `${path}.${i}`);
        });
    } else if (typeof inner === "object" && inner !== null) {
      for (const [key, item] of Object.entries(inner)) walk(item, path === "" ? key : `${path}.${key}`);
    } else {
      flat.set(path, (inner ?? null) as FlatValue);
    }
  };
  walk(value, "");
  return Object.fromEntries(flat);
}

type Tree = Map<string, Tree | { readonly leaf: FlatValue }>;

/**
 * The inverse: keys that are 0 to n-1, all of them, make a list. Where one key is both a value and a path, the one that
 * comes last is kept.
 */
export function unflattenAttributes(flat: FlatAttributes): Nested {
  const root: Tree = new Map();
  for (const [key, value] of Object.entries(flat)) {
    const parts = key.split(".");
    let tree = root;
    for (const part of parts.slice(0, -1)) {
      let next = tree.get(part);
      if (!(next instanceof Map)) tree.set(part, (next = new Map()));
      tree = next;
    }
    tree.set(parts.at(-1)!, { leaf: value });
  }
  return nested(root);
}

function nested(tree: Tree): Nested {
  const values = new Map<string, Nested>();
  for (const [key, value] of tree) values.set(key, value instanceof Map ? nested(value) : value.leaf);
  if (values.size > 0 && [...values.keys()].every((key) => /^\d+$/.test(key))) {
    const list = Array.from({ length: values.size }, (_, i) => values.get(String(i)));
    if (list.every((item) => item !== undefined)) return list;
  }
  return Object.fromEntries(values);
}

/** The attributes below a prefix, nested; null where there are none. `{ "a.b": 1 }` below "a" is `{ b: 1 }`. */
export function nestedBelow(attributes: Readonly<Record<string, unknown>>, prefix: string): Nested {
  const below = Object.entries(attributes)
    .filter(([key]) => key.startsWith(`${prefix}.`))
    .map(([key, value]) => [key.slice(prefix.length + 1), value as FlatValue] as const);
  return below.length === 0 ? null : unflattenAttributes(Object.fromEntries(below));
}
