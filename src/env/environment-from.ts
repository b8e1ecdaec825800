import type { Constants, FunctionTexts } from "../compile/program.ts";
import type { EnvironmentSource } from "./environment-source.ts";

type TextFields =
  | "reset"
  | "step"
  | "observe"
  | "reward"
  | "done"
  | "allowed"
  | "draw"
  | "frameRate"
  | "functions"
  | "constants";

/** An environment's source as one writes it: functions as their text, without lines. */
export interface EnvironmentParts extends Omit<EnvironmentSource, TextFields> {
  readonly reset: string;
  readonly step: string;
  readonly observe?: string;
  /** One reward, or several by name. */
  readonly reward: string | Readonly<Record<string, string>>;
  readonly done: string | null;
  readonly allowed?: string;
  readonly draw: string | null;
  /** Default 30. */
  readonly frameRate?: number;
  readonly constants?: Constants;
  readonly functions?: Readonly<Record<string, string>>;
}

export function environmentFrom(parts: EnvironmentParts): EnvironmentSource {
  const text = (source: string | null | undefined): { source: string } | null =>
    source == null ? null : { source };
  const texts = (sources: Readonly<Record<string, string>>): FunctionTexts =>
    Object.fromEntries(Object.entries(sources).map(([name, source]) => [name, { source }]));
  return {
    ...parts,
    reset: { source: parts.reset },
    step: { source: parts.step },
    observe: text(parts.observe),
    reward: texts(typeof parts.reward === "string" ? { reward: parts.reward } : parts.reward),
    done: text(parts.done),
    allowed: text(parts.allowed),
    draw: text(parts.draw),
    frameRate: parts.frameRate ?? 30,
    constants: parts.constants ?? {},
    functions: texts(parts.functions ?? {}),
  };
}
