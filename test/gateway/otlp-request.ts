import { encodeOtlpProtobuf } from "../../src/trace/otlp/protobuf.ts";

/** An OTLP request in protobuf with one span of the attempt, which does not say its sequence. */
export const otlpOf = (rolloutId: string, attemptId: string): Uint8Array<ArrayBuffer> =>
  encodeOtlpProtobuf([
    {
      traceId: "01".repeat(16),
      spanId: "02".repeat(8),
      parentId: null,
      traceState: "",
      name: "otlp.span",
      kind: 0,
      startTime: 1700000000123456700n,
      endTime: 1700000001000000000n,
      attributes: { n: 7 },
      events: [],
      links: [],
      status: { code: "unset", message: "" },
      resource: {
        attributes: { "agentlightning.rollout_id": rolloutId, "agentlightning.attempt_id": attemptId },
        schemaUrl: "",
      },
      scope: { name: "", version: "", attributes: {} },
    },
  ]);
