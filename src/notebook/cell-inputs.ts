import { FulguriteError } from "../gpu/error.ts";
import { fitted, type FormField, type InputFile, type InputSpec, type InputValue } from "./input-spec.ts";
import { fileBytes } from "./file-bytes.ts";
import type { Output } from "./session-types.ts";

export interface SliderOptions {
  readonly min: number;
  readonly max: number;
  /** Default: a hundredth of the range. */
  readonly step?: number;
  /** Default `min`. */
  readonly value?: number;
}

export interface TextOptions {
  readonly value?: string;
  readonly placeholder?: string;
  /** Rows of the field; default 1. */
  readonly lines?: number;
}

/** A file that the person chose. */
export interface ChosenFile {
  readonly name: string;
  /** Media type, as the browser knows it; may be "". */
  readonly type: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  text(): string;
}

/** The inputs that a form is made of; each gives its value as it was when the form was last sent. */
export interface FormInputs {
  slider(label: string, options: SliderOptions): number;
  select<T>(label: string, options: readonly T[] | Readonly<Record<string, T>>, value?: T): T;
  toggle(label: string, value?: boolean): boolean;
  text(label: string, options?: TextOptions): string;
  file(label: string, options?: { readonly accept?: string }): ChosenFile | null;
}

/**
 * Inputs bound to names: `export const rate = slider("rate", { min: 0, max: 1 })` shows a slider under the cell and
 * gives its value. When the person moves it the cell runs again, and all that depends on it.
 */
export interface CellInputs extends FormInputs {
  /** How often it was pressed. */
  button(label: string): number;
  /** Several inputs that are sent together: their values change when the person presses the form's button. */
  form<T>(label: string, fields: (inputs: FormInputs) => T): T;
}

/** The inputs of one run of one cell. `values` are what the person has set, by label. */
export function cellInputs(
  values: Readonly<Record<string, InputValue>>,
  show: (output: Output) => void,
): CellInputs {
  const seen = new Set<string>();
  const ask = (label: string, input: InputSpec, fallback: InputValue): InputValue => {
    if (seen.has(label)) {
      throw new FulguriteError(
        "notebook/input",
        `Two inputs of this cell are called "${label}".`,
        "Give each a label of its own.",
      );
    }
    seen.add(label);
    const value = fitted(input, Object.hasOwn(values, label) ? values[label] : undefined, fallback);
    show({ view: "input", label, input, value });
    return value;
  };
  return {
    ...inputsOver(ask),
    button: (label) => ask(String(label), { kind: "button" }, 0) as number,
    form: (label, fields) => {
      const key = String(label);
      const sent = Object.hasOwn(values, key) ? values[key] : undefined;
      const asked: FormField[] = [];
      const result = fields(
        inputsOver((name, input, fallback) => {
          const given = Array.isArray(sent) ? (sent as readonly InputValue[])[asked.length] : undefined;
          const value = fitted(input, given, fallback);
          asked.push({ label: name, input: input as FormField["input"], value });
          return value;
        }),
      );
      ask(
        key,
        { kind: "form", fields: asked },
        asked.map(({ value }) => value),
      );
      return result;
    },
  };
}

type Ask = (label: string, input: InputSpec, fallback: InputValue) => InputValue;

export const inputsOver = (ask: Ask): FormInputs => ({
  slider: (label, { min, max, step = (max - min) / 100, value = min }) => {
    if (!(min < max) || !(step > 0)) {
      throw new FulguriteError(
        "notebook/input",
        `The slider "${label}" has no range.`,
        "Give min below max.",
      );
    }
    return ask(String(label), { kind: "slider", min, max, step }, value) as number;
  },
  select: (label, options, value) => {
    const entries = Array.isArray(options)
      ? options.map((option: unknown) => [String(option), option] as const)
      : Object.entries(options);
    const known = Math.max(
      0,
      entries.findIndex(([, option]) => option === value),
    );
    const spec = { kind: "select", options: entries.map(([name]) => name) } as const;
    const index = ask(String(label), spec, known) as number;
    return entries[index]?.[1] as never;
  },
  toggle: (label, value = false) => ask(String(label), { kind: "toggle" }, value) as boolean,
  text: (label, { value = "", placeholder = "", lines = 1 } = {}) =>
    ask(String(label), { kind: "text", placeholder, lines }, value) as string,
  file: (label, { accept = "" } = {}) => {
    const chosen = ask(String(label), { kind: "file", accept }, null) as InputFile | null;
    if (!chosen) return null;
    const { name, type } = chosen;
    const bytes = fileBytes(chosen);
    return { name, type, bytes, text: () => new TextDecoder().decode(bytes) };
  },
});
