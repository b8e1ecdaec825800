import { render } from "lit";
import { markdown } from "../../src/ui/markdown.ts";
import { startSandbox } from "../../src/notebook/frame-sandbox.ts";
import { createSandboxedKernel } from "../../src/notebook/sandbox.ts";
import { createNotebookSession } from "../../src/notebook/session.ts";
import type { OpenNotebook, Output } from "../../src/notebook/session-types.ts";
import { loadPackage } from "../../src/ui/packages.ts";

// What the browser tests drive: a session over the real sandbox, and a trainer that answers at once.
const kernelPage = new URL("../../kernel.html", document.baseURI).href;
const result = {
  status: "succeeded",
  engine: "cpu",
  adapter: "none",
  update: 1,
  step: 256,
  activeTime: 1,
  metrics: {},
} as const;

export interface NotebookTest {
  session: OpenNotebook | null;
  open(text: string, options?: { hangLimit?: number; foreign?: { from: string }; kernel?: string }): void;
  /** Runs a notebook of one code cell and gives its texts and its error; `kernel` is a script in place of ours. */
  tryCell(
    source: string,
    kernel?: string,
  ): Promise<{ state: string; text: string; message: string; code: string }>;
  stolen: string[];
  /** Puts a markdown cell's text on the page. */
  showMarkdown(source: string): void;
}

const textOf = (outputs: readonly Output[]): string =>
  outputs.map((output) => (output.view === "text" ? output.text : JSON.stringify(output))).join("\n");

const test: NotebookTest = {
  session: null,
  stolen: [],
  showMarkdown(source) {
    render(markdown(source), document.querySelector("main")!);
  },
  open(text, { kernel, ...options } = {}) {
    let runs = 0;
    test.session?.dispose();
    test.session = createNotebookSession({
      id: "test",
      text,
      editDelay: 0,
      ...options,
      services: {
        train: (job, cell, onStarted) => {
          const runId = `${cell}-${job.seed}-${runs++}`;
          onStarted(runId);
          return Promise.resolve({ ...result, runId });
        },
        fetch: (url, init) => fetch(url, init),
        loadPackage,
      },
      createKernel: () =>
        kernel === undefined
          ? createSandboxedKernel({ kernelPage })
          : startSandbox(kernel, { page: { url: kernelPage } }),
    });
  },
  async tryCell(source, kernel) {
    test.open(`// fulgurite: 1\n// %% cell lazy\n${source}\n`, kernel === undefined ? {} : { kernel });
    await test.session!.run("cell");
    const { state, outputs } = test.session!.cells[0]!;
    const error = state.kind === "error" ? state.error : null;
    return {
      state: state.kind,
      text: textOf(outputs),
      message: error?.message ?? "",
      code: error?.code ?? "",
    };
  },
};

addEventListener("message", (event) => {
  test.stolen.push(String(event.data));
});
Object.assign(globalThis, { notebookTest: test });
