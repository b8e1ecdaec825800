import { execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { beforeAll, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
const fulgurite = (...args: string[]): ReturnType<typeof run> =>
  run(process.execPath, [join(root, "src/cli/fulgurite.js"), ...args], { cwd: root });

beforeAll(async () => {
  const vite = join(root, "node_modules/vite/bin/vite.js");
  await run(process.execPath, [vite, "build", "--mode", "lib", "--logLevel", "warn"], { cwd: root });
});

test("fulgurite train prints progress with time left, then one JSON object", async () => {
  const { stdout, stderr } = await fulgurite(
    ..."train cartpole --json --engine cpu --steps 12000 --seed 3".split(" "),
  );
  expect(JSON.parse(String(stdout))).toMatchObject({
    notebook: "cartpole",
    seed: 3,
    status: "succeeded",
    engine: "cpu",
    update: 46,
    step: 46 * 256,
    metrics: { evaluation: { greedy: { mean: expect.any(Number) } } },
  });
  expect(String(stderr)).toMatch(/ 0% · .*of 11,776 steps/);
});

test("an interrupted run ends with what it learned and exit code 130", async () => {
  const child = spawn(process.execPath, [
    join(root, "src/cli/fulgurite.js"),
    ..."train cartpole --json --engine cpu".split(" "),
  ]);
  let out = "";
  child.stdout.on("data", (chunk) => (out += String(chunk)));
  await new Promise<void>((resolve) => child.stderr.once("data", () => resolve()));
  setTimeout(() => child.kill("SIGINT"), 500);
  const code = await new Promise((resolve) => child.once("exit", resolve));
  expect(code).toBe(130);
  expect(JSON.parse(out)).toMatchObject({ status: "cancelled" });
});

test.each([
  [["train", "nothing"], 1, "cli/no-notebook"],
  [["fly"], 2, "cli/usage"],
  [["train", "cartpole", "--engine", "steam"], 2, "cli/usage"],
  [["train", "cartpole", "--steps", "many"], 2, "cli/usage"],
])("wrong use %j says what to do", async (args, code, error) => {
  await expect(fulgurite(...args)).rejects.toMatchObject({ code, stderr: expect.stringContaining(error) });
});

test("the library trains from a plain import", async () => {
  const program = `
    import { train, ppo, cartPole, defineReward } from "fulgurite";
    const limit = 2.4;
    const reward = defineReward.step((s, a, next) => 1 - Math.abs(next.x) / limit, { constants: { limit } });
    const algorithm = ppo({ totalSteps: 2560 });
    const result = await train({ env: cartPole(), reward, algorithm, seed: 2, engine: "cpu" });
    console.log(JSON.stringify(result));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", program], { cwd: root });
  expect(JSON.parse(stdout)).toMatchObject({ status: "succeeded", engine: "cpu", step: 2560 });
});
