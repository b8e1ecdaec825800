import { execFile, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openStore } from "../src/store/open.ts";

const folder = mkdtempSync(join(tmpdir(), "fulgurite-cli-"));
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

const root = fileURLToPath(new URL("..", import.meta.url));
const run = promisify(execFile);
const fulgurite = (...args: string[]): ReturnType<typeof run> =>
  run(process.execPath, [join(root, "src/cli/fulgurite.js"), ...args], { cwd: root });

beforeAll(async () => {
  const vite = join(root, "node_modules/vite/bin/vite.js");
  await run(process.execPath, [vite, "build", "--mode", "lib", "--logLevel", "warn"], { cwd: root });
});

test("fulgurite train prints progress with time left, then one JSON object", async () => {
  const kept = join(folder, "store");
  const { stdout, stderr } = await fulgurite(
    ..."train cartpole --json --engine cpu --steps 12000 --seed 3 --store".split(" "),
    kept,
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

  // A second command over the same folder, which keeps its run beside the first.
  const again = "run cartpole --cell training --quick --trusted --json --engine cpu --store".split(" ");
  await fulgurite(...again, kept);
  const store = await openStore({ folder: kept });
  const runs = await store.runs();
  expect(runs.map(({ status, update }) => [status, update])).toEqual([
    ["succeeded", 2],
    ["succeeded", 46],
  ]);
  for (const { id, update } of runs) {
    expect((await store.spans({ runId: id })).length).toBeGreaterThanOrEqual(update);
  }
  expect(await store.problems()).toEqual([]);
  store.close();
});

test("a killed run goes on from its folder, to the same bits", async () => {
  const steps = "train cartpole --json --engine cpu --steps 30000 --seed 3 --store".split(" ");
  const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
  await fulgurite(...steps, whole);
  const child = spawn(process.execPath, [join(root, "src/cli/fulgurite.js"), ...steps, killed], {
    cwd: root,
  });
  const exit = new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
  // The first commit has the run as it starts, about 120 kB.
  const log = join(killed, "store.log");
  while (!existsSync(log) || statSync(log).size < 250_000)
    await new Promise((resolve) => setTimeout(resolve, 5));
  child.kill("SIGKILL");
  expect(await exit).toBe("SIGKILL");
  const resume = ["train", "cartpole", "--json", "--resume", "--store", killed];
  const { stdout, stderr } = await fulgurite(...resume);
  expect(String(stderr)).toMatch(/Goes on with run \w+ after update [1-9]\d* of 117/);
  expect(JSON.parse(String(stdout))).toMatchObject({ seed: 3, status: "succeeded", update: 117 });
  const kept = async (from: string): Promise<unknown> => {
    const store = await openStore({ folder: from });
    const [run, ...others] = await store.runs();
    const spans = await store.spans({ runId: run!.id });
    const state = (await store.checkpoint(run!.id))?.state;
    store.close();
    return { others, state, spans: spans.map(({ name, attributes }) => [name, attributes]) };
  };
  expect(await kept(killed)).toEqual(await kept(whole));
  await expect(fulgurite(...resume)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/has ended \(succeeded, 117 of 117 updates\)[\s\S]*cli\/nothing-to-resume/),
  });
}, 120_000);

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

test("a run that npx started ends when npx was killed", async () => {
  const command = `"${process.execPath}" src/cli/fulgurite.js train cartpole --json --engine cpu`;
  // In npx's place; a shell that would not wait would become the command.
  const npx = spawn("sh", ["-c", `${command} & wait`], {
    cwd: root,
    env: { ...process.env, npm_command: "exec" },
  });
  let out = "";
  npx.stdout.on("data", (chunk) => (out += String(chunk)));
  await new Promise<void>((resolve) => npx.stderr.once("data", () => resolve()));
  npx.kill("SIGKILL");
  // The shell's output is the command's, too, and is closed by the last of both.
  await new Promise((resolve) => npx.once("close", resolve));
  expect(JSON.parse(out)).toMatchObject({ status: "cancelled" });
});

const tested = `// fulgurite: 1
// %% [test] sums
test("adds", () => expect(add(1, 2)).toBe(3));
test("origin", () => expect(globalThis.origin).toBe("null"));
// %% lib
export const add = (a: number, b: number): number => a + b;
// %% slow lazy
export const never = add(1, 1);
`;

describe("notebooks", () => {
  const file = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test.each(
    readdirSync(join(root, "notebooks"))
      .filter((name) => name.endsWith(".nb.ts"))
      .map((name) => name.slice(0, -".nb.ts".length)),
  )(
    "%s runs to its end in the sandbox, training cut to two updates",
    async (name) => {
      const { stdout } = await fulgurite("run", ..."--all --quick --engine cpu --json".split(" "), name);
      const result = JSON.parse(String(stdout)) as {
        note: string;
        cells: { cell: string; state: string }[];
        runs: { status: string }[];
      };
      expect(result).toMatchObject({ notebook: name, ok: true, note: expect.stringContaining("--quick") });
      expect(result.cells.filter(({ state }) => state !== "done")).toEqual([]);
      expect(result.runs.length).toBeGreaterThan(0);
      expect(new Set(result.runs.map(({ status }) => status))).toEqual(new Set(["succeeded"]));
    },
    300_000,
  );

  test("check runs the tests of a notebook in the sandbox, and says where one fails", async () => {
    const good = file("good.nb.ts", tested);
    const { stdout } = await fulgurite("check", good, "--json");
    expect(JSON.parse(String(stdout))).toMatchObject({ ok: true, metrics: { tests: 2, passed: 2 } });
    // In this process the cells have its origin, which is none at all.
    await expect(fulgurite("check", good, "--trusted")).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/passed {2}sums: adds[\s\S]*FAILED {2}sums: origin/),
    });
    const bad = file(
      "bad.nb.ts",
      '// fulgurite: 1\n// %% a\nexport const x = 1;\n\n// %% b\nexport const x = 2;\n// %% c\nlet = ;\n// %% d\nimport z from "zod";\n',
    );
    const failure = await fulgurite("check", bad, "--static").catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 1 });
    const lines = String((failure as { stdout: string }).stdout).split("\n");
    expect(lines.map((line) => /:(\d+) \((\w)\)/.exec(line)?.slice(1).join()).filter(Boolean)).toEqual([
      "3,a",
      "6,b",
      "8,c",
      "10,d",
    ]);
  });

  test("cells import from hosts that were allowed, and from any where the notebook is trusted", async () => {
    const server = createServer((_, response) => {
      response.writeHead(200, { "content-type": "text/javascript" }).end("export const seven = 7;");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const path = file(
      "imports.nb.ts",
      `// fulgurite: 1\n// %% a\nimport { seven } from "http://${host}/seven.js";\nconsole.log("it is " + seven);\n`,
    );
    const ran = async (...args: string[]): Promise<unknown> => (await fulgurite("run", path, ...args)).stdout;
    await expect(ran()).rejects.toMatchObject({ stdout: expect.stringContaining(`--allow-net ${host}`) });
    expect(await ran("--allow-net", `http://${host}/`)).toContain("it is 7");
    expect(await ran("--trusted", "--engine", "cpu")).toContain("it is 7");
    server.close();
  });

  test("a command is about the cell that it names, and what that needs", async () => {
    const path = file(
      "apart.nb.ts",
      "// fulgurite: 1\n// %% a\nexport const d = 1;\n// %% b\nexport const d = 2;\n// %% c\nexport const c = 3;\n// %% e\nthrow new Error(`no ${c}`);\n",
    );
    const sole = await fulgurite("run", path, ..."--cell c --json --trusted --engine cpu".split(" "));
    expect(JSON.parse(String(sole.stdout))).toMatchObject({
      ok: true,
      cells: [{ cell: "c", state: "done" }],
    });
    await expect(fulgurite("train", path, ..."--cell e --engine cpu".split(" "))).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining("e, line 1: Error: no 3"),
    });
  });

  test("what nobody reads on is no failure", async () => {
    const { stderr } = await run(
      "sh",
      ["-c", `"${process.execPath}" src/cli/fulgurite.js export cartpole --to html --out - | head -c 9`],
      { cwd: root },
    );
    expect(stderr).toBe("");
  });

  test("a cell that fails shows its line, and fails the command", async () => {
    const path = file(
      "fails.nb.ts",
      "// fulgurite: 1\n// %% a\nconst n: number = 1;\nthrow new Error(`no ${n}`);\n",
    );
    await expect(fulgurite("run", path, "--trusted", "--engine", "cpu")).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining("line 2: Error: no 1\n    throw new Error(`no ${n}`);"),
    });
  });

  test("a run waits for generators: one that fails late fails it, one without end is stopped", async () => {
    const generator = (end: string): string =>
      `// fulgurite: 1\n// %% a\nexport const n = (async function* () {\n  for (let i = 0; ; i++) {\n    yield i;\n    if (i === 20) ${end};\n  }\n})();\n// %% b\nconsole.log("saw " + n);\n`;
    const ended = (name: string, end: string): ReturnType<typeof run> =>
      fulgurite("run", file(name, generator(end)), ..."--trusted --engine cpu --wait 2".split(" "));
    await expect(ended("late.nb.ts", 'throw new Error("late")')).rejects.toMatchObject({
      code: 1,
      stdout: expect.stringContaining("Error: late"),
    });
    expect((await ended("ends.nb.ts", "return")).stdout).toContain("saw 20");
    expect((await ended("endless.nb.ts", "continue")).stderr).toContain(
      "Stopped after 2 s, still publishing values: a.",
    );
  });

  test("export and convert come back to the same notebook", async () => {
    const text = readFileSync(join(root, "notebooks/strings.nb.ts"), "utf8");
    const written = join(folder, "strings.ipynb");
    await fulgurite("export", "strings", "--to", "ipynb", "--out", written);
    expect((await fulgurite("convert", written, "--out", "-")).stdout).toBe(text);
    const page = join(folder, "strings.html");
    await fulgurite("export", "strings", "--to", "html", "--out", page);
    expect(statSync(page).size).toBeLessThan(3_000_000);
    expect((await fulgurite("convert", page, "--out", "-")).stdout).toBe(text);
  });
});

test.each([
  [["train", "nothing"], 1, "cli/no-notebook"],
  [["train", "."], 1, "cli/no-notebook"],
  [["run", "cartpole", "--record"], 2, "cli/usage"],
  [["export", "cartpole"], 2, "cli/usage"],
  [["convert", "package.json"], 1, "notebook/unknown-file"],
  [["fly"], 2, "cli/usage"],
  [["train", "cartpole", "--engine", "steam"], 2, "cli/usage"],
  [["train", "cartpole", "--steps", "many"], 2, "cli/usage"],
  [["train", "cartpole", "--resume"], 2, "cli/usage"],
  [["run", "cartpole", "--allow-net", "a b"], 2, "cli/usage"],
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
