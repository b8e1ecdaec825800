import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { flattenAttributes, unflattenAttributes, type FlatAttributes } from "../trace/attributes.ts";
import type { AdapterSpan } from "./trace-tree.ts";
import { spansToTriplets, type TripletOptions } from "./triplets.ts";

interface GoldenSpan {
  readonly sequence_id: number;
  readonly span_id: string;
  readonly parent_id: string | null;
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly start_time: number;
  readonly end_time: number;
}

interface GoldenTriplet {
  readonly prompt: readonly number[];
  readonly response: readonly number[];
  readonly reward: number | null;
  readonly agent: string;
  readonly rid: string | null;
}

interface Goldens {
  readonly triplets: readonly {
    readonly spans: readonly GoldenSpan[];
    readonly out: Readonly<Record<string, readonly GoldenTriplet[]>>;
  }[];
  readonly flatten: readonly {
    readonly value: unknown;
    readonly flat: FlatAttributes;
    readonly unflat: unknown;
  }[];
}

const path = new URL("../../test/fixtures/v0.x-adapter-goldens.json", import.meta.url);
const goldens = JSON.parse(readFileSync(path, "utf8")) as Goldens;

const spanOf = (span: GoldenSpan): AdapterSpan => ({
  spanId: span.span_id,
  parentId: span.parent_id,
  sequence: span.sequence_id,
  name: span.name,
  attributes: span.attributes,
  startTime: span.start_time,
  endTime: span.end_time,
});

/** "first_sibling|writer|repair=True" */
function optionsOf(key: string): TripletOptions {
  const [policy, agent, repair] = key.split("|");
  return {
    rewardMatch: policy === "first_sibling" ? "first-sibling" : "first-occurrence",
    agentMatch: agent === "None" ? null : new RegExp(agent!),
    repair: repair === "repair=True",
  };
}

test("960 triplet lists as in the original: both policies, both agent filters, with and without repair", () => {
  let compared = 0;
  for (const { spans, out } of goldens.triplets) {
    for (const [key, expected] of Object.entries(out)) {
      const triplets = spansToTriplets(spans.map(spanOf), optionsOf(key));
      expect(
        triplets.map(({ prompt, response, reward, metadata }) => ({
          prompt: prompt.tokenIds,
          response: response.tokenIds,
          reward,
          agent: metadata.agentName,
          rid: metadata.responseId,
        })),
      ).toEqual(expected);
      compared++;
    }
  }
  expect(compared).toBe(960);
});

test("120 attributes flattened and back as in the original", () => {
  expect(goldens.flatten).toHaveLength(120);
  for (const { value, flat, unflat } of goldens.flatten) {
    expect(flattenAttributes(value)).toEqual(flat);
    expect(unflattenAttributes(flat)).toEqual(unflat);
  }
});
