import { expect, test } from "vitest";
import { createStoreHandler } from "../../src/gateway/store/handler.ts";
import { TransactionalStore } from "../../src/store/lightning-store.ts";
import { MemoryStorage } from "../../src/store/memory-storage.ts";
import exchanges from "../fixtures/v0.x-store.json";
import { otlpOf } from "./otlp-request.ts";

// Every exchange with the original's server (v0.x, in memory), in order, against our store. What differs by nature is
// bound or bounded: ids are the same wherever they were the same, times and sizes are numbers where they were numbers.

interface Exchange {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly request: unknown;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly response: unknown;
}

const base = "http://localhost:4747";
const madeIds = /\b(ro|at|rs)-[0-9a-f]{8,12}\b/g;
/** Times that the server's clock gave, not the sender. */
const isClock = (value: number): boolean => value > 1.79e9;

class Ids {
  readonly #ours = new Map<string, string>();

  bind(theirs: string, ours: string): boolean {
    const known = this.#ours.get(theirs);
    if (known !== undefined) return known === ours;
    if ([...this.#ours.values()].includes(ours)) return false;
    this.#ours.set(theirs, ours);
    return theirs.slice(0, 3) === ours.slice(0, 3) && theirs.length === ours.length;
  }

  /** Text with the original's ids replaced by ours. */
  translate(text: string): string {
    return text.replace(madeIds, (id) => this.#ours.get(id) ?? id);
  }
}

/** Where they differ; null where they do not. */
function difference(theirs: unknown, ours: unknown, ids: Ids, path: string): string | null {
  const differ = `${path}: ${JSON.stringify(theirs)} became ${JSON.stringify(ours)}`;
  const key = path.slice(path.lastIndexOf(".") + 1);
  if (typeof theirs === "number" && typeof ours === "number") {
    if (key === "uptime" || key.endsWith("_bytes")) return ours >= 0 ? null : differ;
    if (isClock(theirs)) return isClock(ours) ? null : differ;
    return theirs === ours ? null : differ;
  }
  if (typeof theirs === "string" && typeof ours === "string") {
    if (theirs.startsWith("…")) return ours.endsWith(ids.translate(theirs.slice(1))) ? null : differ;
    if (theirs.replace(madeIds, "") === "" && theirs !== "") return ids.bind(theirs, ours) ? null : differ;
    return ids.translate(theirs) === ours ? null : differ;
  }
  if (typeof theirs !== "object" || typeof ours !== "object" || theirs === null || ours === null)
    return theirs === ours ? null : differ;
  if (Array.isArray(theirs) !== Array.isArray(ours)) return differ;
  const [left, right] = [theirs as Record<string, unknown>, ours as Record<string, unknown>];
  const keys = Object.keys(left);
  if (keys.sort().join() !== Object.keys(right).sort().join()) {
    return `${path}: keys ${keys.join()} became ${Object.keys(right).join()}`;
  }
  for (const each of keys) {
    const found = difference(left[each], right[each], ids, `${path}.${each}`);
    if (found !== null) return found;
  }
  return null;
}

async function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
  return new Response(new Blob([bytes]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer();
}

async function requestOf({ name, method, path, request }: Exchange, ids: Ids): Promise<Request> {
  const headers = new Headers();
  if (name.startsWith("cors-preflight")) {
    headers.set("origin", name.endsWith("allowed") ? "https://demo.example" : "https://other.example");
    headers.set("access-control-request-method", "POST");
    headers.set("access-control-request-headers", "content-type");
  }
  const init: RequestInit = { method, headers };
  if (name === "otlp-protobuf-gzip") {
    headers.set("content-type", "application/x-protobuf");
    headers.set("content-encoding", "gzip");
    init.body = await gzip(otlpOf(ids.translate("ro-aed45690a807"), ids.translate("at-f1164eb2")));
  } else if (request !== null) {
    headers.set("content-type", "application/json");
    init.body = ids.translate(JSON.stringify(request));
  }
  return new Request(base + ids.translate(path), init);
}

test("all 66 exchanges with the original are answered as the original did", async () => {
  const store = new TransactionalStore(new MemoryStorage());
  const handler = createStoreHandler(store, { corsOrigins: ["https://demo.example"] });
  const ids = new Ids();
  const wrong: string[] = [];
  for (const exchange of exchanges as readonly Exchange[]) {
    const { name, status, headers } = exchange;
    const response = await handler(await requestOf(exchange, ids));
    const bytes = await response.arrayBuffer();
    const text = new TextDecoder().decode(bytes);
    const isJson = response.headers.get("content-type") === "application/json";
    if (response.status !== status) wrong.push(`${name}: status ${response.status}, not ${status}: ${text}`);
    for (const [header, value] of Object.entries(headers)) {
      const ours = response.headers.get(header);
      if (ours !== value) wrong.push(`${name}: header ${header} is ${ours}, not ${value}`);
    }
    if (status === 500 && response.headers.has("vary")) wrong.push(`${name}: vary on a failure`);
    const ours =
      exchange.response === "0 bytes" ? `${bytes.byteLength} bytes` : isJson ? JSON.parse(text) : text;
    const differs = difference(exchange.response, ours, ids, name);
    if (differs !== null) wrong.push(differs);
  }
  expect(exchanges).toHaveLength(66);
  expect(wrong).toEqual([]);
});
