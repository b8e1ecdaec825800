import { FulguriteError, asFulguriteError, type ErrorData } from "../gpu/error.ts";
import { analyzeCell, type CellAnalysis } from "../notebook/analyze.ts";
import { parseDocument } from "../notebook/document.ts";
import { buildGraph } from "../notebook/graph.ts";
import { importProblem } from "../notebook/modules.ts";
import type { Output } from "../notebook/session-types.ts";
import { onInterruption } from "./interruption.ts";
import { readNotebook, type NotebookSource } from "./notebook-file.ts";
import { openRunner } from "./run.ts";

export interface CheckCommand {
  readonly notebooks: readonly string[];
  /** Reads only; runs no test. */
  readonly static: boolean;
  readonly trusted: boolean;
  readonly hosts: readonly string[];
  readonly json: boolean;
}

interface Problem {
  /** 1-based line of the file. */
  readonly line: number | null;
  readonly cell: string | null;
  readonly error: ErrorData;
}

interface CheckResult {
  readonly notebook: string;
  readonly problems: readonly Problem[];
  readonly tests: readonly {
    readonly cell: string;
    readonly name: string;
    readonly passed: boolean;
    readonly message: string | null;
  }[];
}

/**
 * `fulgurite check`: reads notebooks for what keeps them from running, then runs their test cells and what those
 * need. Resolves with the exit code: 1 where there is a problem or a test fails.
 */
export async function checkNotebooks(command: CheckCommand): Promise<number> {
  const results: CheckResult[] = [];
  for (const name of command.notebooks) {
    const result = await check(name, command);
    results.push(result);
    if (command.json) continue;
    for (const { line, cell, error } of result.problems) {
      console.log(
        `${name}:${line ?? 1}${cell === null ? "" : ` (${cell})`}: ${error.message} ${error.fix} [${error.code}]`,
      );
    }
    for (const { cell, name: test, passed, message } of result.tests) {
      console.log(
        `${passed ? "passed" : "FAILED"}  ${cell}: ${test}${message === null ? "" : `\n        ${message}`}`,
      );
    }
    const failed = result.tests.filter(({ passed }) => !passed).length;
    const count = result.problems.length;
    const problems = count === 1 ? "1 problem" : `${count === 0 ? "no" : count} problems`;
    const tests =
      result.tests.length === 0
        ? "no tests"
        : `${result.tests.length - failed} of ${result.tests.length} tests passed`;
    console.log(`${name}: ${problems}, ${tests}`);
  }
  const isGood = results.every(
    ({ problems, tests }) => problems.length === 0 && tests.every(({ passed }) => passed),
  );
  if (command.json) {
    const passed = results.flatMap(({ tests }) => tests).filter((test) => test.passed).length;
    const metrics = { tests: results.flatMap(({ tests }) => tests).length, passed };
    console.log(JSON.stringify({ ok: isGood, notebooks: results, metrics }));
  }
  return isGood ? 0 : 1;
}

async function check(name: string, command: CheckCommand): Promise<CheckResult> {
  let notebook: NotebookSource;
  let problems: readonly Problem[];
  try {
    notebook = await readNotebook(name);
    problems = staticProblems(notebook.text);
  } catch (error) {
    if (!(error instanceof FulguriteError) || error.code.startsWith("cli/")) throw error;
    return { notebook: name, problems: [{ line: error.line, cell: null, error: error.toData() }], tests: [] };
  }
  const tests = parseDocument(notebook.text).cells.filter(({ kind }) => kind === "test");
  if (command.static || problems.length > 0 || tests.length === 0)
    return { notebook: name, problems, tests: [] };
  const found: CheckResult["tests"][number][] = [];
  const failures: Problem[] = [];
  const options = { notebook, overrides: {}, hosts: command.hosts, onProgress: () => undefined };
  const runner = await openRunner(command.trusted, options);
  const ignoreInterruption = onInterruption(() => {
    void runner.close().finally(() => process.exit(130));
  });
  try {
    for (const { id, line } of tests) {
      await runner.run(id);
      const cell = (await runner.cells()).find((view) => view.id === id)!;
      const shown = cell.outputs.filter(
        (output): output is Extract<Output, { view: "test" }> => output.view === "test",
      );
      found.push(
        ...shown.map(({ name: test, passed, message }) => ({ cell: id, name: test, passed, message })),
      );
      const { state } = cell;
      if (state.kind === "error" && state.error.code !== "notebook/test-failed") {
        failures.push({ cell: id, line: line + (state.error.line ?? 1) - 1, error: state.error });
      }
    }
  } finally {
    ignoreInterruption();
    await runner.close();
  }
  return { notebook: name, problems: failures, tests: found };
}

/** What keeps cells from running, found without running any. Throws where the text is not a notebook. */
export function staticProblems(text: string): Problem[] {
  const problems: Problem[] = [];
  const cells = parseDocument(text).cells.filter(({ kind }) => kind !== "md");
  const analyses = new Map<string, CellAnalysis>();
  const add = (id: string, thrown: unknown): void => {
    const error = asFulguriteError(thrown).toData();
    const first = cells.find((cell) => cell.id === id)!.line;
    problems.push({ cell: id, line: first + (error.line ?? 1) - 1, error });
  };
  for (const { id, source } of cells) {
    try {
      const analysis = analyzeCell(source.replaceAll("\r\n", "\n"));
      analyses.set(id, analysis);
      const missing = new Map(analysis.imports.map((one) => [one.from, importProblem(one)]));
      for (const problem of missing.values()) if (problem) add(id, problem);
    } catch (error) {
      add(id, error);
    }
  }
  const graph = buildGraph([...analyses].map(([id, analysis]) => ({ id, ...analysis })));
  for (const [id, problem] of graph.problems) add(id, problem);
  return problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
}
