import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const tsc = join(root, "node_modules/typescript/bin/tsc");
const run = promisify(execFile);

const program = `
import { cartPole, defineReward, FulguriteError, ppo, train, type TrainResult } from "fulgurite";

const reward = defineReward.step((s, a, next) => 1 - 0.1 * Math.abs(next.x));
export const result: TrainResult = await train({ env: cartPole(), reward, algorithm: ppo({ totalSteps: 2560 }), seed: 1 });
export const mean: number | undefined = result.metrics["evaluation.greedy.mean"];
export const code: string = new FulguriteError("a/b", "what", "fix").code;
// @ts-expect-error a seed is a number
void train({ env: cartPole(), reward, seed: "1" });
// @ts-expect-error there is no such setting
ppo({ totalStep: 1 });
`;

/** The example of the documentation that reads traces, as a person pastes it. */
const example = [...readFileSync(join(root, "docs/traces.md"), "utf8").matchAll(/```ts\n(.*?)```/gs)]
  .map(([, code]) => code!)
  .find((code) => code.includes('from "fulgurite"'))!;

test("a project that installs the package gets its types, under strict settings of its own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fulgurite-consumer-"));
  try {
    await run(process.execPath, [tsc, "-p", join(root, "tsconfig.lib.json")], { cwd: root });
    mkdirSync(join(folder, "node_modules"));
    symlinkSync(root, join(folder, "node_modules/fulgurite"));
    writeFileSync(join(folder, "program.ts"), program);
    writeFileSync(
      join(folder, "example.ts"),
      `declare const console: { log(...said: unknown[]): void };\n${example}`,
    );
    const compilerOptions = {
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      target: "ES2023",
      module: "NodeNext",
      moduleResolution: "NodeNext",
      types: [],
    };
    writeFileSync(
      join(folder, "tsconfig.json"),
      JSON.stringify({ compilerOptions, files: ["program.ts", "example.ts"] }),
    );
    writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module" }));
    const { stdout } = await run(process.execPath, [tsc, "-p", folder], { cwd: folder }).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(String(stdout)).toBe("");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 180_000);
