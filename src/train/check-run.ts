import { FulguriteError } from "../gpu/error.ts";
import type { LanguageJob } from "./job.ts";

const invalid = (message: string, fix: string): FulguriteError =>
  new FulguriteError("train/invalid", message, fix);

/** Throws "train/invalid" where a job's seed, engine or name cannot be used. */
export function checkRun({ seed, engine, name }: Pick<LanguageJob, "seed" | "engine" | "name">): void {
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    throw invalid(
      `The seed ${String(seed)} is not an unsigned 32-bit integer.`,
      "Pass a whole number from 0 to 4294967295.",
    );
  }
  if (!["auto", "webgpu", "cpu"].includes(engine)) {
    throw invalid(`There is no engine "${String(engine)}".`, 'Use "auto", "webgpu" or "cpu".');
  }
  if (typeof name !== "string" || name === "" || name.length > 200) {
    throw invalid("The run's name is not a text of 1 to 200 characters.", "Leave it out for a name of ours.");
  }
}
