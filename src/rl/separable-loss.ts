import type { CompiledLoss } from "../compile/compile-loss.ts";
import { lossColumns, trainedColumns } from "../compile/loss-columns.ts";
import { FulguriteError } from "../gpu/error.ts";
import { random4, stream, uniform } from "../kernels/philox.ts";

const ROWS = 64;
const column = (name: (typeof lossColumns)[number]): number => lossColumns.indexOf(name);

/**
 * Where actor and critic are separate towers, each works without the other's output: then a loss must be a sum of one
 * part with the log-probability and the entropy and one with the value, so that neither part's derivative depends on
 * the other's columns. Tried on 64 rows; throws "rl/loss-towers".
 */
export function checkTowers(loss: CompiledLoss, config: { readonly separateTowers: boolean }): void {
  if (!config.separateTowers) return;
  const words = new Uint32Array(4);
  const [one, other] = [new Float32Array(4), new Float32Array(4)];
  for (let i = 0; i < ROWS; i++) {
    const draw = (k: number): number => {
      random4(0, stream.check, k, i, words);
      return uniform(words[0]!);
    };
    const row = Float32Array.from(lossColumns, (_, k) => 4 * draw(k) - 2);
    row[column("mask")] = 1;
    row[column("entropy")] = 2 * draw(20);
    row[column("oldLogProbability")] = -2 * draw(21);
    row[column("logProbability")] = row[column("oldLogProbability")]! + 0.4 * draw(22) - 0.2;
    loss.evaluate(row, 0, one, 0);
    const policyChanged = row.slice();
    policyChanged[column("logProbability")]! += 0.3 * draw(23) - 0.15;
    policyChanged[column("entropy")]! *= draw(24);
    const valueChanged = row.slice();
    valueChanged[column("value")]! += 2 * draw(25) - 1;
    loss.evaluate(policyChanged, 0, other, 0);
    const value = 1 + trainedColumns.indexOf("value");
    let mixed = differs(one[value]!, other[value]!);
    loss.evaluate(valueChanged, 0, other, 0);
    for (const name of ["logProbability", "entropy"] as const) {
      const at = 1 + trainedColumns.indexOf(name);
      mixed ||= differs(one[at]!, other[at]!);
    }
    if (!mixed) continue;
    throw new FulguriteError(
      "rl/loss-towers",
      "This loss mixes the critic's value with the policy's probability, and they are separate networks here.",
      "Use oldValue in the policy's part, or give the algorithm separateTowers: false.",
    );
  }
}

const differs = (a: number, b: number): boolean =>
  Number.isFinite(a) && Number.isFinite(b) && Math.abs(a - b) > 1e-5 * Math.max(1, Math.abs(a));
