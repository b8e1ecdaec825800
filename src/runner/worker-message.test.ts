import { expect, test } from "vitest";
import { fetchRoute } from "./fetch-route.ts";
import { measure } from "./measure.ts";
import { parseFrameMessage, parseWorkerMessage } from "./worker-message.ts";

test("messages of no known kind or with a wrong field are refused whole", () => {
  const result = { kind: "result", run: 1, value: { any: "thing" }, clean: true };
  expect(parseWorkerMessage(result)).toBe(result);
  const hostile = [
    null,
    7,
    "result",
    [],
    {},
    { kind: "constructor" },
    { kind: "__proto__" },
    { ...result, run: -1 },
    { ...result, run: 1.5 },
    { ...result, clean: "yes" },
    { kind: "fetch", run: 1, fetch: 1, method: "POST", url: "/v1", headers: { a: 1 }, body: null },
    { kind: "fetch", run: 1, fetch: 1, method: "POST", url: "x".repeat(5000), headers: {}, body: null },
    { kind: "fetch", run: 1, fetch: 1, method: "POST", url: "/v1", headers: {}, body: new Uint8Array(1) },
    { kind: "scored", run: 1, index: 0, components: { a: "1" }, weights: {} },
    { kind: "threw", run: 1, error: "no", clean: true },
  ];
  for (const message of hostile) expect(parseWorkerMessage(message)).toBeNull();
  expect(parseFrameMessage({ kind: "dead", worker: 1, reason: "bored", message: "", line: 0 })).toBeNull();
  expect(parseFrameMessage({ kind: "pong", ping: 1, workers: 0 })).toEqual({
    kind: "pong",
    ping: 1,
    workers: 0,
  });
});

test("a value is measured as it is, and no further than asked", () => {
  expect(measure("abcd", 1e6)).toBe(16);
  expect(measure(new Uint8Array(1000), 1e6)).toBe(1008);
  expect(measure(new Map([["key", "x".repeat(500)]]), 1e6)).toBeGreaterThan(1000);
  const ring: Record<string, unknown> = {};
  ring.self = ring;
  expect(measure(ring, 1e6)).toBeLessThan(100);
  const wide = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]));
  expect(measure(wide, 100)).toBeLessThan(200);
});

test("whatever host an SDK believes in, the endpoint's routes are ours and nothing else is", () => {
  expect(
    [
      "http://policy.local/v1/chat/completions",
      "https://api.openai.com/v1/responses?x=1",
      "http://policy.local/proxy/rollout/r/attempt/0/mode/train/openai/v1/chat/completions/",
      "https://tiktoken.pages.dev/js/o200k_base.json",
      "https://example.com/",
      "https://example.com/?next=/v1/chat/completions",
      "https://example.com/v1/chat/completions.js",
    ].map(fetchRoute),
  ).toEqual(["policy", "policy", "policy", "empty", "denied", "denied", "denied"]);
});
