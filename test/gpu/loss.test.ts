import { describe, expect, test } from "vitest";
import { checkLossOnGpu } from "../../src/compile/check-on-gpu.ts";
import { compileLoss } from "../../src/compile/compile-loss.ts";
import { gpu } from "./support.ts";

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

describe.skipIf(!gpu)("a compiled loss on the GPU", () => {
  test.each(losses)("%s", async (source) => {
    const loss = compileLoss(source, options);
    const rows = { rows: 256, seed: 5 };
    expect((await checkLossOnGpu(gpu!, loss, rows)).checkedRows).toBeGreaterThan(200);
    const wgsl = loss.wgsl.replace(/ \* (?=row|v_|\()|(?<=;\n {2}let v_\d+ = \S+) - /, " / ");
    await expect(checkLossOnGpu(gpu!, { ...loss, wgsl }, rows)).rejects.toMatchObject({
      code: "compile/gpu-mismatch",
      message: expect.stringMatching(/derivative by|the loss is/) as string,
    });
  });
});
