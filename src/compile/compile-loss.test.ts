import { describe, expect, test } from "vitest";
import { golden } from "../../test/support/goldens.ts";
import { FulguriteError } from "../gpu/error.ts";
import { checkLoss, type LossRow } from "./check-loss.ts";
import { compileLoss, lossColumns, trainedColumns } from "./compile-loss.ts";
import { derivativeOfCall } from "./derivative-rules.ts";

const weight = 0.5;

/** Losses as a person writes them. */
const losses: readonly ((row: LossRow) => number)[] = [
  (row) => -row.advantage * Math.exp(row.logProbability - row.oldLogProbability),
  (row) => {
    const ratio = Math.exp(row.logProbability - row.oldLogProbability);
    const clipped = Math.max(0.8, Math.min(1.2, ratio));
    const policy = Math.max(-row.advantage * ratio, -row.advantage * clipped);
    const error = row.value - row.return;
    return row.mask * (policy + weight * error * error - 0.01 * row.entropy);
  },
  (row) => row.mask * (weight * (row.value - row.return) ** 2 - row.logProbability * row.advantage),
  // Huber's value loss.
  (row) => {
    const error = Math.abs(row.value - row.return);
    if (error > 1) return error - 0.5;
    return 0.5 * error * error;
  },
  // SAPO's gate: a sigmoid of the ratio.
  (row) => {
    const ratio = Math.exp(row.logProbability - row.oldLogProbability);
    const tau = row.advantage > 0 ? 1 : 1.05;
    return (-row.advantage * 4) / tau / (1 + Math.exp(-tau * (ratio - 1)));
  },
  (row) => {
    let sum = 0;
    for (let i = 1; i < 5; i++) sum += row.entropy ** 2 / i;
    sum -= Math.sqrt(row.entropy + 1) * row.value;
    return sum;
  },
  (row) => {
    const parts = [row.logProbability * row.value, row.entropy, 1];
    parts[2] = parts[0]! * parts[1]!;
    let sum = 0;
    for (let i = 0; i < parts.length; i++) sum += parts[i]!;
    return sum;
  },
  (row) => Math.log1p(row.entropy) + Math.tanh(row.value) * Math.expm1(row.logProbability),
  (row) => Math.sin(row.value) + Math.cos(row.entropy) * Math.tan(row.logProbability / 8),
  (row) =>
    Math.atan2(row.value, row.entropy + 2) + Math.atan(row.logProbability) + Math.cbrt(row.entropy + 3),
  (row) => Math.asin(row.value / 10) + Math.acos(row.value / 10) * row.entropy + Math.cosh(row.value / 4),
  (row) => Math.hypot(row.value, row.entropy, 2) + Math.sinh(row.logProbability) + (row.value + 8) ** 1.5,
  (row) => Math.log2(row.entropy + 1) + Math.log10(row.value + 9) + Math.pow(row.entropy + 1, row.value / 4),
  (row) => (row.return % (row.value + 8)) + ((row.value * 3) % (row.entropy + 0.5)),
  (row) =>
    (row.value % 2) * row.entropy + Math.floor(row.value) + Math.round(row.entropy) * row.logProbability,
  (row) =>
    Math.min(row.value, row.return, 1) + Math.max(row.entropy, 0.5) + row.value ** 3 - 1 / (row.value + 9),
];
const compile = (source: string): ReturnType<typeof compileLoss> =>
  compileLoss(source, { constants: { weight } });

describe("a loss of one row", () => {
  test.each(losses.map((loss) => [String(loss).replaceAll(/\s+/g, " "), loss] as const))("%s", (_, loss) => {
    const found = checkLoss(compile(String(loss)), loss, { rows: 200, seed: 3 });
    expect(found.checkedRows).toBeGreaterThan(150);
    expect(found.checkedDerivatives).toBeGreaterThan(300);
    expect(found.largestDifference).toBeLessThan(1e-3);
  });

  test("differentiates through functions of one's own, with lists and conditions", () => {
    const functions = {
      clip: { source: "(x, low, high) => x < low ? low : x > high ? high : x" },
      ratio: { source: "(row) => Math.exp(row.logProbability - row.oldLogProbability)" },
      scale: {
        source: "(list, by, doubled) => { for (let i = 0; i < 2; i++) list[i] *= doubled ? 2 * by : by; }",
      },
      pick: { source: "(list, weights) => list[0] * weights[0] + list[1] * weights[1]" },
    };
    const source = `(row) => {
      const terms = [ratio(row), clip(ratio(row), 0.8, 1.2)];
      scale(terms, row.value, row.advantage > 0);
      return pick(terms, WEIGHTS);
    }`;
    const compiled = compileLoss(source, { functions, constants: { WEIGHTS: [0.25, 0.75] } });
    const { checkedRows, checkedDerivatives } = checkLoss(compiled, null, { rows: 200, seed: 4 });
    expect(checkedRows).toBeGreaterThan(150);
    expect(checkedDerivatives).toBeGreaterThan(400);
  });

  test("gives the gradients of PPO's closed form", () => {
    const compiled = compile(String(losses[1]));
    const out = new Float32Array(4);
    compiled.evaluate(Float32Array.of(-1, -1.1, 2, 0.5, 0, 1, 0.3, 1), 0, out, 0);
    const ratio = Math.exp(0.1);
    expect(out[1]).toBeCloseTo(-2 * ratio, 5);
    expect(out[2]).toBeCloseTo(2 * weight * -0.5, 5);
    expect(out[3]).toBeCloseTo(-0.01, 6);
    // Clipped: no gradient. Masked: none at all.
    compiled.evaluate(Float32Array.of(-0.5, -1.1, 2, 0.5, 0, 1, 0.3, 1), 0, out, 0);
    expect(out[1]).toBeCloseTo(0, 12);
    compiled.evaluate(Float32Array.of(-1, -1.1, 2, 0.5, 0, 1, 0.3, 0), 0, out, 0);
    expect([...out].map(Math.abs)).toEqual([0, 0, 0, 0]);
  });

  test("is PPO's policy loss on the golden minibatch", () => {
    const { params, input, output, scalar } = golden("ppo_no_vclip_no_norm");
    const compiled = compileLoss(
      `(row) => {
        const ratio = Math.exp(row.logProbability - row.oldLogProbability);
        const clipped = Math.max(1 - CLIP, Math.min(1 + CLIP, ratio));
        return Math.max(-row.advantage * ratio, -row.advantage * clipped);
      }`,
      { constants: { CLIP: params["clip"] as number } },
    );
    const rows = output("new_logp").map((logProbability, i) =>
      Float32Array.of(logProbability, input("old_logp")[i]!, input("advantages")[i]!, 0, 0, 0, 0, 1),
    );
    const out = new Float32Array(4);
    const sum = rows.reduce((total, row) => {
      compiled.evaluate(row, 0, out, 0);
      return total + out[0]!;
    }, 0);
    expect(sum / rows.length).toBeCloseTo(scalar("pg_loss"), 5);
  });

  test("a helper that is given the row may be all that reads what is trained", () => {
    const functions = { gap: { source: "(row) => row.value - row.return" } };
    const loss = compileLoss("(row) => gap(row) ** 2", { functions });
    const row = Float32Array.from(lossColumns, (name) => (name === "value" ? 3 : 1));
    expect(loss.referenceDerivative(row, 0, trainedColumns.indexOf("value")).value).toBe(4);
  });

  test("errors name the column and the construct", () => {
    const failure = (source: string): FulguriteError => {
      try {
        compile(source);
      } catch (error) {
        if (error instanceof FulguriteError) return error;
      }
      throw new Error("nothing was thrown");
    };
    expect(failure("(row) => row.reward")).toMatchObject({ code: "compile/unknown-field", column: 14 });
    expect(failure("(row) => row.reward").fix).toContain("`row.logProbability`");
    expect(failure("(row) => row.value = 1").code).toBe("compile/unsupported");
    expect(failure("(row, other) => 1").fix).toContain("(row)");
    for (const flat of [
      "(row) => 1",
      "(row) => -row.advantage * row.oldLogProbability",
      "(row) => Math.round(row.value)",
    ]) {
      expect(failure(flat).message).toContain("the same whatever the policy does");
    }
  });

  test("a wrong derivative is caught", () => {
    const compiled = compile(String(losses[1]));
    const wrong = {
      ...compiled,
      referenceDerivative: (row: ArrayLike<number>, at: number, by: number) => {
        const { value, error } = compiled.referenceDerivative(row, at, by);
        return { value: by === 1 ? value * 1.01 : value, error: error + 1 };
      },
    };
    expect(() => checkLoss(wrong, null, { rows: 50, seed: 1 })).toThrow("finite differences");
  });

  test("every function of the library has a derivative", () => {
    const x = { kind: "number", type: "f32", value: 0.5, at: 0 } as const;
    for (const name of "acos asin atan cbrt cos cosh exp expm1 log log10 log1p log2 sin sinh tan tanh power3".split(
      " ",
    )) {
      expect(derivativeOfCall(name, [x], [x], x)).not.toBeNull();
    }
    expect(lossColumns).toContain(trainedColumns[2]);
  });
});
