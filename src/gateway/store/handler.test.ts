import { beforeEach, describe, expect, test } from "vitest";
import { agenticUpdate } from "../../../test/store/agentic-batch.ts";
import { makeRun } from "../../../test/store/contract.ts";
import { TransactionalStore } from "../../store/lightning-store.ts";
import { MemoryStorage } from "../../store/memory-storage.ts";
import { createStoreHandler } from "./handler.ts";

let store: TransactionalStore;
let handler: (request: Request) => Promise<Response>;

beforeEach(() => {
  store = new TransactionalStore(new MemoryStorage());
  handler = createStoreHandler(store);
});

/** What the tests below look into; an answer has more. */
interface Answer {
  readonly items: readonly { readonly attributes: { readonly prompt_token_ids: readonly number[] } }[];
  readonly start_time: number;
  readonly rollout_id: string;
  readonly attempt: { readonly attempt_id: string };
}

async function call(method: string, path: string, body?: unknown) {
  const init = body === undefined ? { method } : { method, body: JSON.stringify(body) };
  const response = await handler(new Request(`http://store/v1/agl/${path}`, init));
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer };
}

const span = (rollout: string, attempt: string, more: object = {}) => ({
  rollout_id: rollout,
  attempt_id: attempt,
  sequence_id: 1,
  trace_id: "1".repeat(32),
  span_id: "2".repeat(16),
  parent_id: null,
  name: "openai.chat.completion",
  status: { status_code: "OK", description: "fine" },
  attributes: {},
  events: [{ name: "e", attributes: { list: [1, 2] }, timestamp: 3.5 }],
  links: [],
  start_time: 1,
  end_time: null,
  context: null,
  parent: null,
  resource: { attributes: { a: 1 }, schema_url: "s" },
  ...more,
});

describe("spans", () => {
  const started = async (): Promise<[string, string]> => {
    const { body } = await call("POST", "rollouts", { input: 1 });
    return [body.rollout_id, body.attempt.attempt_id];
  };

  test("come back as they were sent, unknown fields, lists and token ids included", async () => {
    const [rollout, attempt] = await started();
    const attributes = {
      prompt_token_ids: [1, 2, 3],
      response_token_ids: [4, 5],
      "logprobs.content": '[{"logprob":-0.5},{"logprob":-1}]',
      tags: ["a", "b"],
      n: 1.5,
      yes: true,
    };
    const sent = span(rollout, attempt, { attributes, surprise: { deep: [null] } });
    expect((await call("POST", "spans", sent)).body).toEqual(sent);
    await store.seal("outside");
    expect((await call("GET", `spans?rollout_id=${rollout}`)).body.items).toEqual([sent]);
    const [kept] = await store.spans({ runId: "outside", rolloutId: rollout });
    expect(kept?.tokens?.responseIds).toEqual(Int32Array.of(4, 5));
    expect(kept?.tokens?.samplerLogProbabilities).toEqual(Float32Array.of(-0.5, -1));
  });

  test("keep an exact time, and take one above 10^12 for nanoseconds", async () => {
    const [rollout, attempt] = await started();
    const times = [1700000000.1234567, 1700000000.1234565, 0.1 + 0.2];
    for (const [i, start_time] of times.entries()) {
      const sent = span(rollout, attempt, { start_time, span_id: `s${i}` });
      expect((await call("POST", "spans", sent)).body.start_time).toBe(start_time);
    }
    const late = span(rollout, attempt, { start_time: 1.7e18, span_id: "late" });
    expect((await call("POST", "spans", late)).body.start_time).toBe(1.7e9);
  });

  test("of a training run are those that the original's adapters look for", async () => {
    await store.commit({ run: makeRun("r", { kind: "agentic" }), ...agenticUpdate("r", 1, 3) });
    const { body } = await call("GET", `rollouts/${encodeURIComponent("r/1")}`);
    expect(body).toMatchObject({ rollout_id: "r/1", status: "succeeded", mode: "train" });
    expect(body.attempt).toMatchObject({ attempt_id: "r/1.1", sequence_id: 1, status: "succeeded" });
    const spans = await call("POST", "spans/search", { rollout_id: "r/1", name: "openai.chat.completion" });
    expect(spans.body.items).toHaveLength(1);
    expect(spans.body.items[0]?.attributes.prompt_token_ids).toHaveLength(11);
    expect((await call("GET", "statistics")).body).toMatchObject({ total_rollouts: 3, total_spans: 10 });
    expect((await call("GET", "rollouts?limit=2&offset=2")).body.items).toHaveLength(1);
  });
});

describe("requests that are wrong", () => {
  test.each([
    [
      "POST",
      "queues/rollouts/enqueue",
      { rollouts: [{ input: 1, mode: "eval" }] },
      422,
      "'train', 'val' or 'test'",
    ],
    ["POST", "queues/rollouts/enqueue", { rollouts: {} }, 422, "valid list"],
    ["POST", "rollouts", [1], 422, "dictionary"],
    ["POST", "resources", { p: { template: "x" } }, 422, "union_tag_not_found"],
    ["POST", "resources", { p: { resource_type: "constructor" } }, 422, "union_tag_invalid"],
    ["GET", "workers?limit=x", undefined, 422, "valid integer"],
    [
      "GET",
      "resources?sort_by=foo",
      undefined,
      400,
      "Invalid sort_by: foo, allowed fields are: resources_id",
    ],
    ["GET", "rollouts?sort_order=up", undefined, 400, "sort_order"],
    ["GET", "rollouts?limit=-2", undefined, 400, "Limit must be"],
    ["GET", "nothing", undefined, 404, "Not Found"],
    ["POST", "health", {}, 405, "Method Not Allowed"],
    ["POST", "rollouts/x/attempts", {}, 500, "Rollout x not found"],
  ] as const)("%s %s %j: %i", async (method, path, body, status, text) => {
    const answer = await call(method, path, body);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(answer.body)).toContain(text);
  });

  test("JSON that is none is 422, a move that cannot be is 409", async () => {
    const broken = new Request("http://store/v1/agl/rollouts", { method: "POST", body: "{" });
    expect((await handler(broken)).status).toBe(422);
    const { body } = await call("POST", "rollouts", { input: 1 });
    await call("POST", `rollouts/${body.rollout_id}`, { status: "cancelled" });
    expect((await call("POST", `rollouts/${body.rollout_id}`, { status: "succeeded" })).status).toBe(409);
  });
});

test("both ways to search give the same", async () => {
  const rollouts = Array.from({ length: 7 }, (_, i) => ({ input: i, metadata: { i } }));
  await call("POST", "queues/rollouts/enqueue", { rollouts });
  await call("POST", "queues/rollouts/dequeue", { limit: 3, worker_id: "w1" });
  for (const [path, query, body] of [
    [
      "rollouts",
      "status_in=preparing&sort_by=start_time&sort_order=desc",
      { status_in: ["preparing"], sort_by: "start_time", sort_order: "desc" },
    ],
    [
      "rollouts",
      "rollout_id_contains=ro-&limit=2&offset=6",
      { rollout_id_contains: "ro-", limit: 2, offset: 6 },
    ],
    ["workers", "status_in=busy&worker_id_contains=1", { status_in: ["busy"], worker_id_contains: "1" }],
  ] as const) {
    const get = await call("GET", `${path}?${query}`);
    const post = await call("POST", `${path}/search`, body);
    expect(get.status).toBe(200);
    expect(get.body).toEqual(post.body);
    expect(get.body.items.length).toBeGreaterThan(0);
  }
});

test("a page of another origin may call it only where it was let", async () => {
  const ask = (allowed: readonly string[], origin: string) =>
    createStoreHandler(store, { corsOrigins: allowed })(
      new Request("http://store/v1/agl/health", { headers: { origin } }),
    );
  expect((await ask(["*"], "https://a.example")).headers.get("access-control-allow-origin")).toBe(
    "https://a.example",
  );
  expect(
    (await ask(["https://b.example"], "https://a.example")).headers.get("access-control-allow-origin"),
  ).toBeNull();
  expect((await call("GET", "health")).headers.get("vary")).toBeNull();
});
