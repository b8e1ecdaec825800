import { describe, expect, test } from "vitest";
import { compileLoss } from "../../src/compile/compile-loss.ts";
import { checkWords } from "../support/play.ts";
import { gpu, runPerElement } from "./support.ts";

const losses = [
  `(row) => {
    const ratio = Math.exp(row.logProbability - row.oldLogProbability);
    const policy = Math.max(-row.advantage * ratio, -row.advantage * clip(ratio));
    const error = row.value - row.return;
    return row.mask * (policy + 0.5 * error ** 2 - 0.01 * row.entropy);
  }`,
  "(row) => Math.tanh(row.value) * Math.log(row.entropy + 1) - row.logProbability / (1 + row.value * row.value)",
  "(row) => { let sum = 0; for (let i = 1; i < 4; i++) sum += row.value ** 2 / i * WEIGHTS[i]; return sum; }",
];
const options = {
  constants: { WEIGHTS: [0, 1, 0.5, 2] },
  functions: { clip: { source: "(x) => x < 0.8 ? 0.8 : x > 1.2 ? 1.2 : x" } },
};
const ROWS = 256;

describe.skipIf(!gpu)("a compiled loss on the GPU", () => {
  test.each(losses)("%s", async (source) => {
    const loss = compileLoss(source, options);
    const rows = new Float32Array(ROWS * 8);
    for (let i = 0; i < rows.length; i++) rows[i] = (checkWords(i)[0]! / 2 ** 32) * 4 - 2;
    for (let i = 0; i < ROWS; i++) {
      rows[i * 8 + 6] = Math.abs(rows[i * 8 + 6]!);
      rows[i * 8 + 7] = i % 10 === 0 ? 0 : 1;
    }
    const run = async (wgsl: string): Promise<number> => {
      const out = await runPerElement(
        wgsl,
        `var row: array<f32, 8>;
         for (var k = 0u; k < 8u; k++) { row[k] = bitcast<f32>(input[i * 8u + k]); }
         let result = row_loss(row);
         for (var k = 0u; k < 4u; k++) { output[i * 4u + k] = bitcast<u32>(result[k]); }`,
        new Uint32Array(rows.buffer),
        ROWS,
        4,
      );
      const actual = new Float32Array(out.buffer);
      let wrong = 0;
      for (let i = 0; i < ROWS; i++) {
        const bounds = [
          loss.reference(rows, i * 8),
          ...[0, 1, 2].map((by) => loss.referenceDerivative(rows, i * 8, by)),
        ];
        bounds.forEach(({ value, error }, k) => {
          if (!(Math.abs(actual[i * 4 + k]! - value) <= error)) wrong++;
        });
      }
      return wrong;
    };
    expect(await run(loss.wgsl)).toBe(0);
    expect(
      await run(loss.wgsl.replace(/ \* (?=row|v_|\()|(?<=;\n {2}let v_\d+ = \S+) - /, " / ")),
    ).toBeGreaterThan(0);
  });
});
