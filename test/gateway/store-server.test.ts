import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { acceptsGzip } from "../../src/gateway/store/gzip.ts";
import { otlpOf } from "./otlp-request.ts";

// The lines of the README, as they stand there but for the port, in a process that nothing else runs in.

const port = 20_000 + (process.pid % 20_000);
const base = `http://127.0.0.1:${port}`;
let folder = "";

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "fulgurite-server-"));
  const root = new URL("../../", import.meta.url);
  const readme = readFileSync(new URL("README.md", root), "utf8");
  const lines = /```ts\n(import \{ createServer \}[^`]*(?:`http[^`]*`[^`]*)?)```/.exec(readme)?.[1];
  if (lines === undefined) throw new Error("the README shows no server");
  const module = join(folder, "server.ts");
  writeFileSync(
    module,
    lines
      .replace('"fulgurite"', JSON.stringify(new URL("src/index.ts", root).pathname))
      .replace('"runs"', JSON.stringify(join(folder, "runs")))
      .replace("4747", String(port)),
  );
  await import(/* @vite-ignore */ module);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function call(path: string, body?: unknown): Promise<Record<string, unknown>> {
  const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
  const response = await fetch(`${base}/v1/agl/${path}`, init);
  return (await response.json()) as Record<string, unknown>;
}

test("a runner takes, traces over OTLP with gzip, and ends a rollout, over HTTP", async () => {
  const enqueued = await call("queues/rollouts/enqueue", { rollouts: [{ input: { question: 1 } }] });
  const [{ rollout_id: id }] = enqueued as unknown as [{ rollout_id: string }];
  const taken = await call("queues/rollouts/dequeue", { worker_id: "w" });
  const [{ attempt }] = taken as unknown as [{ attempt: { attempt_id: string } }];
  const bytes = gzipSync(otlpOf(id, attempt.attempt_id));
  const headers = { "content-type": "application/x-protobuf", "content-encoding": "gzip" };
  const sent = await fetch(`${base}/v1/traces`, { method: "POST", headers, body: bytes });
  expect([sent.status, (await sent.arrayBuffer()).byteLength]).toEqual([200, 0]);
  const found = await call(`spans?rollout_id=${id}`);
  expect(found["items"]).toMatchObject([
    { name: "otlp.span", sequence_id: 1, attempt_id: attempt.attempt_id },
  ]);
  await call(`rollouts/${id}/attempts/${attempt.attempt_id}`, { status: "succeeded" });
  expect(await call(`rollouts/${id}`)).toMatchObject({ status: "succeeded" });
}, 60_000);

describe("an answer of the OTLP endpoint", () => {
  test.each([
    [null, false],
    ["", false],
    ["gzip", true],
    ["deflate, GZIP ;q=0.5, br", true],
    ["gzip;q=0", false],
    ["gzip; q=0.000, *", false],
    ["*", true],
    ["*;q=0", false],
    ["identity;q=1, *;q=0.1", true],
    ["br", false],
    ["gzip;q=x", false],
  ])("is zipped for %j: %s", (header, wanted) => {
    expect(acceptsGzip(header)).toBe(wanted);
  });

  test("comes zipped over HTTP, errors too, and a body that is no gzip is refused", async () => {
    const ask = (more: Record<string, string>, body: string) =>
      fetch(`${base}/v1/traces`, {
        method: "POST",
        headers: { "content-type": "text/plain", ...more },
        body,
      });
    const plain = await ask({ "accept-encoding": "gzip;q=0" }, "x");
    expect([plain.status, plain.headers.get("content-encoding")]).toEqual([400, null]);
    const zipped = await ask({ "accept-encoding": "br;q=0.1, gzip;q=0.2" }, "x");
    expect([zipped.headers.get("content-encoding"), zipped.headers.get("vary")]).toEqual([
      "gzip",
      "Accept-Encoding",
    ]);
    // What fetch has unzipped is what the other got.
    expect(Buffer.from(await zipped.arrayBuffer()).equals(Buffer.from(await plain.arrayBuffer()))).toBe(true);
    const broken = await ask(
      { "content-type": "application/x-protobuf", "content-encoding": "gzip", "accept-encoding": "identity" },
      "no gzip",
    );
    expect([broken.status, await broken.text()]).toEqual([
      400,
      expect.stringContaining("cannot be unzipped"),
    ]);
  });
});
