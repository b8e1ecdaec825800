import * as read from "./validate.ts";

/** What a cell asks the person for. Everything that a page needs to draw it, and nothing more. */
export type InputSpec =
  | { readonly kind: "slider"; readonly min: number; readonly max: number; readonly step: number }
  | { readonly kind: "select"; readonly options: readonly string[] }
  | { readonly kind: "toggle" }
  | { readonly kind: "text"; readonly placeholder: string; readonly lines: number }
  | { readonly kind: "button" }
  /** `accept` as in HTML: ".csv,.json". */
  | { readonly kind: "file"; readonly accept: string }
  | { readonly kind: "form"; readonly fields: readonly FormField[] };

export interface FormField {
  readonly label: string;
  readonly input: Exclude<InputSpec, { kind: "form" | "button" }>;
  readonly value: InputValue;
}

/** A file as it was chosen: by reference, so that one of any size goes between page and kernel at once. */
export interface InputFile {
  readonly name: string;
  readonly type: string;
  /** When it was last changed on disk, milliseconds since the epoch. */
  readonly modified: number;
  readonly content: Blob;
}

/** A slider's number, a select's index, a button's count, a toggle's state, a text, a file, a form's fields in order. */
export type InputValue = number | boolean | string | InputFile | null | readonly InputValue[];

/** Whether two sets of inputs are the same; files by name, size and when they were changed. */
export function sameInputs(
  a: Readonly<Record<string, InputValue>>,
  b: Readonly<Record<string, InputValue>>,
): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => sameValue(a[name]!, b[name]));
}

function sameValue(a: InputValue, b: InputValue | undefined): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((value: InputValue, i) => sameValue(value, b[i] as InputValue));
  }
  // A file comes as another reference each time.
  const [left, right] = [a, b] as [InputFile | null, InputFile | null];
  return (
    typeof a === "object" &&
    typeof b === "object" &&
    left !== null &&
    left.name === right?.name &&
    left.content.size === right.content.size &&
    left.modified === right.modified
  );
}

/** `set`, with what did not change as it is in `before`: what was read of a file is found again by its reference. */
export const keptInputs = (
  before: Readonly<Record<string, InputValue>>,
  set: Readonly<Record<string, InputValue>>,
): Readonly<Record<string, InputValue>> =>
  Object.fromEntries(
    Object.entries(set).map(([name, value]) => [
      name,
      sameValue(value, before[name]) ? before[name]! : value,
    ]),
  );

const MAX_FIELDS = 50;
const MAX_OPTIONS = 1_000;
const label = read.text(200);

const fieldSpec = read.union<"kind", FormField["input"]>("kind", {
  slider: read.object({
    kind: read.oneOf("slider"),
    min: read.finite,
    max: read.finite,
    step: read.finite,
  }),
  select: read.object({ kind: read.oneOf("select"), options: read.list(label, MAX_OPTIONS) }),
  toggle: read.object({ kind: read.oneOf("toggle") }),
  text: read.object({ kind: read.oneOf("text"), placeholder: label, lines: read.whole(100) }),
  file: read.object({ kind: read.oneOf("file"), accept: label }),
});

const content: read.Reader<Blob> = (value) => {
  if (!(value instanceof Blob)) throw new read.Invalid("a file's content");
  return value;
};

/** A value from either side. */
export const inputValue: read.Reader<InputValue> = (value) => {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "number") return read.finite(value);
  if (typeof value === "string") return read.text(1_000_000)(value);
  if (Array.isArray(value)) return read.list(inputValue, MAX_FIELDS)(value);
  return read.object<InputFile>({
    ...{ name: read.text(1_000), type: read.text(200), modified: read.finite, content },
  })(value);
};

const field = read.object<FormField>({ label, input: fieldSpec, value: inputValue });

export const inputSpec: read.Reader<InputSpec> = (value) => {
  const kind = (value as { kind?: unknown } | null)?.kind;
  if (kind === "form") {
    return read.object<Extract<InputSpec, { kind: "form" }>>({
      kind: read.oneOf("form"),
      fields: read.list(field, MAX_FIELDS),
    })(value);
  }
  if (kind === "button") {
    return read.object<Extract<InputSpec, { kind: "button" }>>({ kind: read.oneOf("button") })(value);
  }
  return fieldSpec(value);
};

/** The value, where an input of this kind can have it; else its fallback. A cell may have been edited since. */
export function fitted(spec: InputSpec, value: InputValue | undefined, fallback: InputValue): InputValue {
  switch (spec.kind) {
    case "slider":
      return typeof value === "number" ? Math.min(spec.max, Math.max(spec.min, value)) : fallback;
    case "select":
      return typeof value === "number" && spec.options[value] !== undefined ? value : fallback;
    case "toggle":
      return typeof value === "boolean" ? value : fallback;
    case "text":
      return typeof value === "string" ? value : fallback;
    case "button":
      return typeof value === "number" ? value : 0;
    case "file":
      return typeof value === "object" && value !== null && "content" in value ? value : null;
    case "form": {
      const list = Array.isArray(value) ? (value as readonly InputValue[]) : [];
      return spec.fields.map((one, i) => fitted(one.input, list[i], one.value));
    }
  }
}
