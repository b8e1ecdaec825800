import { runInNewContext } from "node:vm";
import { expect, test } from "vitest";
import type { Span } from "../store/records.ts";
import { checkSpan } from "../store/span.ts";
import { emissionSpans, type RecordedEmission } from "./emission-spans.ts";
import { objectAttributes, objectOf, operationValueOf, rewardAttributes } from "./emissions.ts";
import { createEmit, type Emit, type EmitPlace } from "./emit.ts";
import { isEmittedSpan } from "./emitted-span.ts";
import { linksOf, tagsOf } from "./links.ts";
import { plainValue } from "./plain-value.ts";
import { rewardsOf, rewardValue } from "./rewards.ts";
import { RolloutTrace } from "./rollout-trace.ts";
import { agentLightning } from "./semantic-conventions.ts";

/** Emitters as a worker gets them: from their text, in a realm of its own, what they send cloned. */
function emitters(): {
  readonly emit: Emit;
  readonly emissions: RecordedEmission[];
  readonly place: EmitPlace;
} {
  const place: EmitPlace = { operation: () => -1 };
  const emissions: RecordedEmission[] = [];
  const add = (emission: Omit<RecordedEmission, "time">): void => {
    emissions.push({ ...structuredClone(emission), time: emissions.length + 1 });
  };
  const make = runInNewContext(`(${createEmit.toString()})`) as typeof createEmit;
  const emit = make(
    (span) => {
      if (!isEmittedSpan(span)) throw new TypeError("no span");
      add({ kind: "span", name: span.type, value: span });
    },
    (name, value) => {
      add({ kind: "emit", name, value });
    },
    place,
  );
  return { emit, emissions, place };
}

const spansOf = (emissions: readonly RecordedEmission[]) => {
  const trace = new RolloutTrace("01R", 7);
  const spans = emissionSpans(trace, trace.attempt(1), emissions, 99);
  spans.forEach(checkSpan);
  return spans;
};

function emitted(use: (emit: Emit) => void) {
  const { emit, emissions } = emitters();
  use(emit);
  return spansOf(emissions);
}

test("a reward is a number, or several with the primary one first", () => {
  const [one, several, flag] = emitted((emit) => {
    emit.reward(0.5);
    emit.reward(
      { speed: 2, exact: 1 },
      { primary: "exact", tags: ["judge"], links: { "gen_ai.response.id": "r" } },
    );
    emit.reward(true);
  });
  expect(rewardsOf(one!)).toEqual([{ name: "primary", value: 0.5 }]);
  expect(rewardsOf(several!)).toEqual([
    { name: "exact", value: 1 },
    { name: "speed", value: 2 },
  ]);
  expect(tagsOf(several!)).toEqual(["judge"]);
  expect(linksOf(several!)).toEqual([{ key: "gen_ai.response.id", value: "r" }]);
  expect(rewardValue(flag!)).toBe(1);
  expect(one).toMatchObject({ name: "agentlightning.annotation", status: "ok", parentId: "01R/7/1/0" });
});

test("what makes no sense is a span with an error, and throws nothing into the agent", () => {
  const spans = emitted((emit) => {
    emit.reward("much" as unknown as number);
    emit.reward(Number.NaN);
    emit.reward({ a: 1 });
    emit.reward({ a: 1 }, { primary: "b" });
  });
  expect(spans.map(({ status }) => status)).toEqual(["error", "error", "error", "error"]);
  expect(spans.map(({ attributes }) => attributes["error.type"])).toEqual(
    Array(4).fill("trace/invalid-reward"),
  );
  expect(String(spans[0]!.attributes["error.message"])).toContain('the text "much"');
  expect(spans.map(rewardValue)).toEqual([null, null, null, null]);
  expect(() => rewardAttributes({ a: 1 })).toThrow(expect.objectContaining({ code: "trace/invalid-reward" }));
});

test("objects come back: texts, numbers, bytes, nested values", () => {
  const values = ["text", 0.5, false, Uint8Array.of(0, 255), { a: [1, { b: null }] }, [1, "2"], null];
  for (const value of values) expect(objectOf(objectAttributes(value))).toEqual(value);
  expect(objectAttributes(Uint8Array.of(1))).toEqual({
    "agentlightning.object.type": "bytes",
    "agentlightning.object.literal": "AQ==",
  });
  expect(objectOf({})).toBeUndefined();
  expect(objectOf({ "agentlightning.object.json": "{" })).toBeUndefined();
});

test("what cannot be cloned goes as text", () => {
  const spans = emitted((emit) => {
    emit("callback", () => 1);
    emit.object({ run: () => 1, kept: 2 });
    emit.message(Symbol("x") as unknown as string);
    emit.annotation(null as unknown as Record<string, unknown>);
    emit.exception(null);
    emit.object(1, { tags: 3 as unknown as string[], links: null as unknown as Record<string, string> });
  });
  expect(spans[0]!.attributes["agentlightning.object.literal"]).toContain("=>");
  expect(spans[1]!.attributes["agentlightning.object.literal"]).toBe('{"kept":2}');
  expect(spans).toHaveLength(6);
});

test("emitters that may not send any more are silent", () => {
  const emit = createEmit(
    () => {
      throw new Error("flooded");
    },
    () => {
      throw new Error("flooded");
    },
  );
  expect(() => {
    emit("x", 1);
    emit.reward(1);
  }).not.toThrow();
  expect(emit.operation("still runs", () => 5)).toBe(5);
});

test("messages, exceptions and annotations have the original's attributes", () => {
  const [message, exception, annotation] = emitted((emit) => {
    emit.message("hello", { tags: ["a", "b"] });
    emit.exception(new RangeError("too far"));
    emit.annotation({ score: { by: "judge", parts: [1, 2] }, ok: true });
  });
  expect(message).toMatchObject({
    name: "agentlightning.message",
    attributes: { "agentlightning.message.body": "hello", "agentlightning.tag.1": "b" },
  });
  expect(exception).toMatchObject({
    name: "agentlightning.exception",
    status: "ok",
    attributes: { "exception.type": "RangeError", "exception.message": "too far" },
  });
  expect(exception!.attributes["exception.stacktrace"]).toContain("too far");
  expect(annotation).toMatchObject({
    name: "agentlightning.annotation",
    attributes: { "score.by": "judge", "score.parts.0": 1, "score.parts.1": 2, ok: true },
  });
});

test("an operation holds what was emitted through it, its input, output and time", async () => {
  const { emit, emissions } = emitters();
  const result = await emit.operation("search", async (search) => {
    search.input({ query: "x" });
    const inner = search.operation("rank", (rank) => {
      rank.reward(0.25);
      return [1, 2];
    });
    await Promise.resolve();
    search("hits", inner);
    return { hits: 2 };
  });
  expect(result).toEqual({ hits: 2 });
  const [search, rank, reward, hits] = spansOf(emissions);
  expect(search).toMatchObject({
    name: "agentlightning.operation",
    status: "ok",
    startTime: 1,
    endTime: emissions.length,
    attributes: { "agentlightning.operation.name": "search" },
  });
  expect(operationValueOf(search!.attributes, "input")).toEqual({ query: "x" });
  expect(operationValueOf(search!.attributes, "output")).toEqual({ hits: 2 });
  expect(operationValueOf(rank!.attributes, "output")).toEqual([1, 2]);
  expect(rank!.parentId).toBe(search!.spanId);
  expect(reward!.parentId).toBe(rank!.spanId);
  expect(hits).toMatchObject({ parentId: search!.spanId, name: "agentlightning.object" });
});

test("what is emitted while an operation's function runs hangs below it, where one can tell", async () => {
  const { emit, emissions, place } = emitters();
  const places: number[] = [];
  const later = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
  await emit.operation("outer", async () => {
    emit("first");
    await later();
    places.push(place.operation());
    emit.operation("inner", () => {
      emit.message("second");
    });
    emit.message("third");
  });
  emit.message("fourth");
  await Promise.all([
    emit.operation("left", async (left) => {
      await Promise.resolve();
      emit.message("fifth");
      left.message("sixth");
    }),
    emit.operation("right", later),
  ]);
  emit.message("seventh");
  expect(places).toEqual([1]);
  const spans = spansOf(emissions);
  const nameOf = (span: Span | undefined): unknown => {
    const { [agentLightning.operationName]: operation, [agentLightning.messageBody]: body } =
      span?.attributes ?? {};
    return operation ?? body ?? span?.attributes[agentLightning.tag(0)] ?? null;
  };
  expect(
    spans.map((span) => [nameOf(span), nameOf(spans.find(({ spanId }) => spanId === span.parentId))]),
  ).toEqual([
    ["outer", null],
    ["first", "outer"],
    ["inner", "outer"],
    ["second", "inner"],
    ["third", "outer"],
    ["fourth", null],
    ["left", null],
    ["right", null],
    ["fifth", null],
    ["sixth", "left"],
    ["seventh", null],
  ]);
});

test("a failed operation says why and throws on; one that never ends ends with the attempt", async () => {
  const { emit, emissions } = emitters();
  expect(() =>
    emit.operation("a", () => {
      throw new TypeError("no");
    }),
  ).toThrow("no");
  await expect(emit.operation("b", () => Promise.reject(new Error("later")))).rejects.toThrow("later");
  void emit.operation("c", () => new Promise(() => undefined));
  expect(emit.operation("d", (operation) => (operation.output("own"), 7))).toBe(7);
  const [a, b, c, d] = spansOf(emissions);
  expect(a).toMatchObject({
    status: "error",
    attributes: { "exception.type": "TypeError", "exception.message": "no" },
  });
  expect(b).toMatchObject({ status: "error", attributes: { "exception.message": "later" } });
  expect(c).toMatchObject({ status: "unset", endTime: 99 });
  expect(operationValueOf(d!.attributes, "output")).toBe("own");
});

test("a traced function stays the function that it was", async () => {
  const { emit, emissions } = emitters();
  const add = emit.traced(function add(a: number, b: number) {
    return a + b;
  });
  const later = emit.traced(async (text: string) => Promise.resolve(text), { name: "later" });
  expect([add(1, 2), await later("x")]).toEqual([3, "x"]);
  const [first, second] = spansOf(emissions);
  expect(first!.attributes).toEqual({
    "agentlightning.operation.name": "add",
    "agentlightning.operation.input.args.0": 1,
    "agentlightning.operation.input.args.1": 2,
    "agentlightning.operation.output": 3,
  });
  expect(second!.attributes["agentlightning.operation.name"]).toBe("later");
});

test("small values that would be endless or immense when written out are cut", () => {
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  let bomb: unknown = "x";
  for (let i = 0; i < 40; i++) bomb = [bomb, bomb];
  let deep: unknown = 1;
  for (let i = 0; i < 50_000; i++) deep = [deep];
  const spans = emitted((emit) => {
    for (const value of [circle, bomb, deep]) {
      emit.object(value);
      emit.annotation({ value });
      emit.operation("op", () => value);
    }
  });
  expect(spans).toHaveLength(9);
  expect(JSON.stringify(spans).length).toBeLessThan(6_000_000);
  expect(plainValue([1n, new Date(0), new Map([["k", Number.NaN]]), new Set([1]), undefined])).toEqual([
    "1",
    "1970-01-01T00:00:00.000Z",
    [["k", "NaN"]],
    [1],
    null,
  ]);
});
