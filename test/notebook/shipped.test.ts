import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ESLint } from "eslint";
import ts from "typescript";
import { expect, test } from "vitest";
import { templates } from "../../src/ui/own-notebooks.ts";
import { root } from "../support/kept-build.ts";

// `npm run check` runs tsc and ESLint over the notebooks. That it leaves out none of them is held here, and that what
// it would say to a wrong one is said; and the templates, which are no files, are put before both.
const folder = join(root, "notebooks");
const shipped = readdirSync(folder)
  .filter((name) => name.endsWith(".nb.ts"))
  .map((name) => join(folder, name));

test("tsc reads every shipped notebook under strict settings, and finds nothing in the templates", () => {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (path) => ts.sys.readFile(path));
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  expect(shipped.filter((path) => !fileNames.includes(path))).toEqual([]);
  expect(options).toMatchObject({
    strict: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
  });
  const wrong = "// fulgurite: 1\n// %% wrong\nexport const wrong: string = [1][0];\n";
  const texts = new Map(
    [...templates, { title: "wrong", text: wrong }].map(({ title, text }) => [
      join(folder, `${title}.nb.ts`),
      text,
    ]),
  );
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => texts.has(path) || fileExists(path);
  host.getSourceFile = (path, version, ...others) => {
    const text = texts.get(path);
    return text === undefined
      ? getSourceFile(path, version, ...others)
      : ts.createSourceFile(path, text, version);
  };
  const program = ts.createProgram([...texts.keys()], options, host);
  const found = [...texts.keys()].flatMap((path) => {
    const file = program.getSourceFile(path)!;
    return [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
      ({ messageText }) => `${path}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`,
    );
  });
  expect(found).toEqual([
    expect.stringContaining("wrong.nb.ts: Type 'number | undefined' is not assignable"),
  ]);
}, 120_000);

test("ESLint reads every shipped notebook, and finds nothing in the templates", async () => {
  const eslint = new ESLint({ cwd: root });
  for (const path of shipped) expect(await eslint.isPathIgnored(path)).toBe(false);
  // As one text, under the name of a file of the project, because its rules know types.
  const wrong = "export const wrong = () => { fetch('x'); };\n";
  const text = [...templates.map((template) => template.text), wrong].join("\n");
  const [result] = await eslint.lintText(text, { filePath: shipped[0]! });
  expect(result!.messages.map(({ ruleId, message }) => ruleId ?? message)).toEqual([
    "@typescript-eslint/no-floating-promises",
  ]);
}, 120_000);

test("the recorded run of text-to-SQL says what recorded filtered cloning came to on the same tasks", () => {
  const results = JSON.parse(readFileSync(join(folder, "text-to-sql.results.json"), "utf8")) as {
    readonly cell: string;
    readonly metrics: Readonly<Record<string, number>>;
  }[];
  const metrics = (cell: string) => results.find((it) => it.cell === cell)!.metrics;
  for (const name of ["mean", "low", "high"]) {
    const beside = metrics("training")[`baseline.filteredCloning.${name}`];
    expect(beside).toBe(metrics("baseline")[`evaluation.greedy.${name}`]);
    expect(beside).toBeGreaterThan(0);
  }
});
