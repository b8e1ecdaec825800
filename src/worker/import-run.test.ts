import { strFromU8, strToU8 } from "fflate";
import { expect, test } from "vitest";
import { openStore } from "../store/open.ts";
import { fileKinds, goodFiles } from "../../test/support/import-fuzz.ts";
import { richRun } from "../../test/support/rich-run.ts";
import type { LightningStore } from "../store/records.ts";
import { exportRun } from "./export-run.ts";
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

/** The same, as if it had been made in the run `to`. */
function movedTo<Value>(value: Value, from: string, to: string): Value {
  if (typeof value === "string") return value.replaceAll(`${from}/`, `${to}/`) as Value;
  if (Array.isArray(value)) return value.map((it: unknown) => movedTo(it, from, to)) as Value;
  if (Object.prototype.toString.call(value) !== "[object Object]") return value;
  const entries = Object.entries(value as object).map(([key, it]): [string, unknown] => [
    key,
    key === "runId" ? to : movedTo(it as unknown, from, to),
  ]);
  return Object.fromEntries(entries) as Value;
}

test.each(["archive", "jsonl", "arrow", "otlp-json", "otlp-protobuf", "otlp-observability"] as const)(
  "what %s exports comes back: tasks, answers, attempts, rewards, traces and tokens",
  async (format) => {
    const store = await openStore({ backend: "memory" });
    const { run, rollouts, spans } = richRun("01OLD");
    await store.commit({ run, rollouts, spans });
    const { bytes } = await exportRun(store, { runId: "01OLD", format, numbers: null });
    const other = await openStore({ backend: "memory" });
    const report = await importRun(other, { name: "x", bytes }, "01NEW", 5);
    expect(report).toMatchObject({ rollouts: 3, spans: spans.length, problems: [] });
    const expected = rollouts.map((rollout) => movedTo(rollout, "01OLD", "01NEW"));
    expect(await other.rollouts({ runId: "01NEW" })).toEqual(expected);
    const before = movedTo(await store.spans({ runId: "01OLD" }), "01OLD", "01NEW");
    const after = await other.spans({ runId: "01NEW" });
    // Undefined where the format leaves them out.
    const kept = before.map((span, i) => (after[i]?.tokens ? span : { ...span, tokens: undefined }));
    expect(after.filter(({ tokens }) => tokens)).toHaveLength(format === "otlp-observability" ? 0 : 1);
    expect(after).toEqual(kept);
  },
);

test("fine-tuning examples come back as rollouts with a call, and give the same file again", async () => {
  const store = await openStore({ backend: "memory" });
  await store.commit(richRun("01OLD"));
  const first = await exportRun(store, { runId: "01OLD", format: "fine-tuning", numbers: null });
  await importRun(store, { name: "x.jsonl", bytes: first.bytes }, "01NEW", 5);
  expect(await store.rollouts({ runId: "01NEW" })).toMatchObject([
    { task: [{ role: "user", content: "Wie heißt 東京? 🗼" }], result: "Tōkyō 🗼", calls: 1 },
  ]);
  const again = await exportRun(store, { runId: "01NEW", format: "fine-tuning", numbers: null });
  expect(strFromU8(again.bytes)).toBe(strFromU8(first.bytes));
});

test("a trace from elsewhere becomes a rollout that says what was asked and answered", async () => {
  const store = await openStore({ backend: "memory" });
  const attribute = (key: string, stringValue: string): object => ({ key, value: { stringValue } });
  const span = {
    traceId: "1".repeat(32),
    spanId: "2".repeat(16),
    name: "openai.chat.completion",
    startTimeUnixNano: "1795000000000000000",
    endTimeUnixNano: "1795000001000000000",
    attributes: [
      attribute("agentlightning.rollout_id", "ro-1"),
      attribute("gen_ai.prompt.0.role", "user"),
      attribute("gen_ai.prompt.0.content", "What is 6 times 7?"),
      attribute("gen_ai.completion.0.role", "assistant"),
      attribute("gen_ai.completion.0.content", "42"),
      { key: "gen_ai.usage.output_tokens", value: { intValue: "2" } },
    ],
  };
  const text = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans: [span] }] }] });
  const report = await importRun(store, { name: "x.json", bytes: strToU8(text) }, "01NEW", 5);
  expect(report).toMatchObject({ callsWithoutTokens: 1, problems: [] });
  expect(await store.rollouts({ runId: "01NEW" })).toMatchObject([
    { task: [{ role: "user", content: "What is 6 times 7?" }], result: "42", calls: 1, outputTokens: 2 },
  ]);
});

test("an archive has the resources of its run, without keys, and gives them back", async () => {
  const store = await openStore({ backend: "memory" });
  const { run, rollouts, spans } = richRun("01OLD");
  const code = (source: string) =>
    ({ agent: { type: "code", role: "agent", source, constants: { größe: 1n } } }) as const;
  await store.resources.update("job/library/x", code("first"), "01OLD");
  const { id, version } = await store.resources.update("job/library/x", code("second"), "01OLD");
  const samplingParameters = { temperature: 1 };
  const llm = { type: "llm", endpoint: "https://example.test", model: "m", samplingParameters } as const;
  await store.resources.update("prompts", { llm: { ...llm, apiKey: "secret" } });
  await store.resources.update("prompts", {
    prompt: { type: "prompt_template", template: "{{ ü }}", engine: "jinja" },
  });
  const parameters = Float32Array.of(1, -0);
  const start = { policy: { type: "weights", runId: "01OLD", update: 0, step: 0, parameters } } as const;
  await store.resources.update("01OLD/start", start, "01OLD");
  await store.commit({
    run: { ...run, resources: { id, version }, job: { policy: { start: { resources: "01OLD/start" } } } },
    rollouts: rollouts.map((rollout) => ({ ...rollout, resourcesId: "prompts" })),
    spans,
  });
  const { bytes } = await exportRun(store, { runId: "01OLD", format: "archive", numbers: null });
  const resourcesOf = async (from: LightningStore, set: string): Promise<unknown[]> =>
    (await from.resources.versions(set)).map(({ resources }) => resources);

  const other = await openStore({ backend: "memory" });
  await importRun(other, { name: "x.zip", bytes }, "01NEW", 5);
  const imported = (await other.run("01NEW"))!;
  expect(imported).toMatchObject({
    resources: { id: "job/library/x", version: 1 },
    job: { policy: { start: { resources: "01NEW/start" } } },
  });
  expect(await resourcesOf(other, "job/library/x")).toEqual([code("second")]);
  expect(await resourcesOf(other, "01NEW/start")).toEqual([start]);
  const [withKey, prompts] = await resourcesOf(other, "prompts");
  expect([withKey, prompts]).toEqual([
    { llm: { ...llm, apiKey: null } },
    (await resourcesOf(store, "prompts"))[1],
  ]);
  // Nobody put them there for other rollouts to use.
  expect(await other.resources.latest()).toBeUndefined();

  await importRun(store, { name: "x.zip", bytes }, "01NEW", 5);
  expect(await resourcesOf(store, "job/library/x")).toEqual([code("first"), code("second")]);
  expect((await store.run("01NEW"))!.resources).toEqual({ id, version });
  // A set that is in use stays as it is.
  expect(await resourcesOf(store, "prompts")).toHaveLength(2);
  const [rollout] = await store.rollouts({ runId: "01NEW" });
  expect(await resourcesOf(store, rollout!.resourcesId!)).toHaveLength(2);
});

test("a file that holds nothing is an error, and leaves nothing", async () => {
  const store = await openStore({ backend: "memory" });
  const bytes = strToU8("not a file of ours");
  await expect(importRun(store, { name: "x.txt", bytes }, "01NEW", 5)).rejects.toMatchObject({
    code: "import/nothing",
  });
  expect(await store.runs()).toEqual([]);
});
