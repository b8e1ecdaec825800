import { strToU8 } from "fflate";
import { expect, test } from "vitest";
import { openStore } from "../store/open.ts";
import { fileKinds, goodFiles } from "../../test/support/import-fuzz.ts";
import { agenticUpdate } from "../../test/store/agentic-batch.ts";
import { makeRun } from "../../test/store/contract.ts";
import { exportRun, type ExportFormat } from "./export-run.ts";
import { importRun } from "./import-run.ts";

test.each(fileKinds)("a file of kind %s becomes a run with rollouts", async (kind) => {
  const store = await openStore({ backend: "memory" });
  const report = await importRun(store, { name: "some.file", bytes: goodFiles[kind] }, "01NEW", 5);
  expect(report).toMatchObject({ runId: "01NEW", kind });
  const rollouts = await store.rollouts({ runId: "01NEW" });
  expect(rollouts).toHaveLength(report.rollouts);
  expect(await store.spans({ runId: "01NEW" })).toHaveLength(report.spans);
  expect(report.rollouts + report.spans).toBeGreaterThan(2);
  // The archive's run says neither name nor kind.
  expect(await store.run("01NEW")).toMatchObject({ name: "some", kind: "outside", steps: 0, metrics: {} });
});

test.each(["archive", "jsonl", "arrow", "otlp-json", "otlp-protobuf"] as const)(
  "what %s exports comes back: rollouts with their traces, tokens and rewards",
  async (format: ExportFormat) => {
    const store = await openStore({ backend: "memory" });
    const { rollouts, spans } = agenticUpdate("01OLD", 1, 16);
    await store.commit({ run: makeRun("01OLD", { status: "running" }), rollouts, spans });
    const { bytes } = await exportRun(store, { runId: "01OLD", format, numbers: [3, 4, 9] });
    const report = await importRun(store, { name: "x", bytes }, "01NEW", 5);
    const wanted =
      format === "archive" ? rollouts : rollouts.filter(({ number }) => [3, 4, 9].includes(number));
    const found = await store.rollouts({ runId: "01NEW" });
    expect(report.problems).toEqual([]);
    expect(found.map(({ reward }) => reward)).toEqual(wanted.map(({ reward }) => reward));
    for (const [i, old] of wanted.entries()) {
      const before = await store.spans({ runId: "01OLD", rolloutId: old.id });
      const after = await store.spans({ runId: "01NEW", rolloutId: found[i]!.id });
      expect(after.map(({ name, tokens }) => [name, tokens?.responseIds])).toEqual(
        before.map(({ name, tokens }) => [name, tokens?.responseIds]),
      );
    }
  },
);

test("a file that holds nothing is an error, and leaves nothing", async () => {
  const store = await openStore({ backend: "memory" });
  const bytes = strToU8("not a file of ours");
  await expect(importRun(store, { name: "x.txt", bytes }, "01NEW", 5)).rejects.toMatchObject({
    code: "import/nothing",
  });
  expect(await store.runs()).toEqual([]);
});
