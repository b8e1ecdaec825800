import { importProblem, type Imported, type ImportProblem } from "../import-problem.ts";
import { hexOf, idBytes } from "./ids.ts";
import {
  groupSpans,
  integer,
  mostNesting,
  statusCodes,
  type OtlpAttributes,
  type OtlpEvent,
  type OtlpLink,
  type OtlpResource,
  type OtlpScope,
  type OtlpSpan,
  type OtlpValue,
} from "./model.ts";
import { WireError, WireReader, wireTypes, WireWriter } from "./wire.ts";

const { varint, fixed64, bytes } = wireTypes;

type Writable<Fields> = { -readonly [Key in keyof Fields]: Fields[Key] };

/** Field number -> [wire type, what to do with it]. Unknown fields and wire types are skipped, as the format asks. */
type Fields = Readonly<Record<number, readonly [type: number, read: (reader: WireReader) => void]>>;

function readFields(reader: WireReader, fields: Fields): void {
  while (!reader.done) {
    const { field, type } = reader.tag();
    const known = fields[field];
    if (known?.[0] === type) known[1](reader);
    else reader.skip(type);
  }
}

function readValue(reader: WireReader, depth = 0): OtlpValue {
  if (depth > mostNesting) throw new WireError(`a value is nested more than ${mostNesting} deep`, reader.at);
  let value: OtlpValue = null;
  readFields(reader, {
    1: [bytes, (it) => (value = it.text())],
    2: [varint, (it) => (value = it.varint() !== 0n)],
    3: [varint, (it) => (value = integer(BigInt.asIntN(64, it.varint())))],
    4: [fixed64, (it) => (value = it.double())],
    5: [
      bytes,
      (it) => {
        const items: OtlpValue[] = [];
        readFields(it.message(), {
          1: [bytes, (inner) => items.push(readValue(inner.message(), depth + 1))],
        });
        value = items;
      },
    ],
    6: [
      bytes,
      (it) => {
        const entries: [string, OtlpValue][] = [];
        readFields(it.message(), {
          1: [bytes, (inner) => entries.push(readEntry(inner.message(), depth + 1))],
        });
        value = Object.fromEntries(entries);
      },
    ],
    7: [bytes, (it) => (value = it.bytes())],
  });
  return value;
}

function readEntry(reader: WireReader, depth = 0): [key: string, value: OtlpValue] {
  let key = "";
  let value: OtlpValue = null;
  readFields(reader, {
    1: [bytes, (it) => (key = it.text())],
    2: [bytes, (it) => (value = readValue(it.message(), depth))],
  });
  return [key, value];
}

function readResource(reader: WireReader): OtlpAttributes {
  const attributes: [string, OtlpValue][] = [];
  readFields(reader, { 1: [bytes, (it) => attributes.push(readEntry(it.message()))] });
  return Object.fromEntries(attributes);
}

function readScope(reader: WireReader): OtlpScope {
  const scope = { name: "", version: "" };
  const attributes: [string, OtlpValue][] = [];
  readFields(reader, {
    1: [bytes, (it) => (scope.name = it.text())],
    2: [bytes, (it) => (scope.version = it.text())],
    3: [bytes, (it) => attributes.push(readEntry(it.message()))],
  });
  return { ...scope, attributes: Object.fromEntries(attributes) };
}

function readEvent(reader: WireReader): OtlpEvent {
  const event = { name: "", time: 0n };
  const attributes: [string, OtlpValue][] = [];
  readFields(reader, {
    1: [fixed64, (it) => (event.time = it.fixed64())],
    2: [bytes, (it) => (event.name = it.text())],
    3: [bytes, (it) => attributes.push(readEntry(it.message()))],
  });
  return { ...event, attributes: Object.fromEntries(attributes) };
}

function readLink(reader: WireReader): OtlpLink {
  const link = { traceId: "", spanId: "", traceState: "" };
  const attributes: [string, OtlpValue][] = [];
  readFields(reader, {
    1: [bytes, (it) => (link.traceId = hexOf(it.bytes()))],
    2: [bytes, (it) => (link.spanId = hexOf(it.bytes()))],
    3: [bytes, (it) => (link.traceState = it.text())],
    4: [bytes, (it) => attributes.push(readEntry(it.message()))],
  });
  return { ...link, attributes: Object.fromEntries(attributes) };
}

const kindOf = (value: bigint): number => (value < 6n ? Number(value) : 0);

function readSpan(reader: WireReader): Omit<OtlpSpan, "resource" | "scope"> {
  const attributes: [string, OtlpValue][] = [];
  const events: OtlpEvent[] = [];
  const links: OtlpLink[] = [];
  const status: { code: OtlpSpan["status"]["code"]; message: string } = { code: "unset", message: "" };
  const span: Writable<Omit<OtlpSpan, "resource" | "scope" | "attributes" | "events" | "links" | "status">> =
    {
      traceId: "",
      spanId: "",
      parentId: null,
      traceState: "",
      name: "",
      kind: 0,
      startTime: 0n,
      endTime: 0n,
    };
  readFields(reader, {
    1: [bytes, (it) => (span.traceId = hexOf(it.bytes()))],
    2: [bytes, (it) => (span.spanId = hexOf(it.bytes()))],
    3: [bytes, (it) => (span.traceState = it.text())],
    4: [bytes, (it) => (span.parentId = hexOf(it.bytes()) || null)],
    5: [bytes, (it) => (span.name = it.text())],
    6: [varint, (it) => (span.kind = kindOf(it.varint()))],
    7: [fixed64, (it) => (span.startTime = it.fixed64())],
    8: [fixed64, (it) => (span.endTime = it.fixed64())],
    9: [bytes, (it) => attributes.push(readEntry(it.message()))],
    11: [bytes, (it) => events.push(readEvent(it.message()))],
    13: [bytes, (it) => links.push(readLink(it.message()))],
    15: [
      bytes,
      (it) => {
        readFields(it.message(), {
          2: [bytes, (inner) => (status.message = inner.text())],
          3: [varint, (inner) => (status.code = statusCodes[Number(inner.varint())] ?? "unset")],
        });
      },
    ],
  });
  return { ...span, attributes: Object.fromEntries(attributes), events, links, status };
}

/**
 * Reads an ExportTraceServiceRequest (or TracesData, which is the same). A span that cannot be read is a problem
 * ("import/otlp-protobuf", with its byte) and the others are kept; where the bytes end early, all before are kept.
 */
export function decodeOtlpProtobuf(data: Uint8Array): Imported<OtlpSpan> {
  const items: OtlpSpan[] = [];
  const problems: ImportProblem[] = [];
  let row = 0;
  const guarded = (read: () => void, at?: number): void => {
    try {
      read();
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      problems.push(
        importProblem(
          "otlp-protobuf",
          `These bytes are no OTLP trace: at byte ${error.byte} ${error.message}.`,
          "Export the trace again, as protobuf (application/x-protobuf), uncompressed.",
          { byte: error.byte, ...(at === undefined ? {} : { row: at }) },
        ),
      );
    }
  };
  const readScopeSpans = (reader: WireReader, resource: OtlpResource): void => {
    let scope: OtlpScope = { name: "", version: "", attributes: {} };
    const spans: Omit<OtlpSpan, "resource" | "scope">[] = [];
    guarded(() => {
      readFields(reader, {
        1: [bytes, (it) => (scope = readScope(it.message()))],
        2: [
          bytes,
          (it) => {
            row++;
            const message = it.message();
            guarded(() => spans.push(readSpan(message)), row);
          },
        ],
      });
    });
    for (const span of spans) items.push({ ...span, resource, scope });
  };
  const readResourceSpans = (reader: WireReader): void => {
    let attributes: OtlpAttributes = {};
    let schemaUrl = "";
    const scopes: WireReader[] = [];
    guarded(() => {
      readFields(reader, {
        1: [bytes, (it) => (attributes = readResource(it.message()))],
        2: [bytes, (it) => scopes.push(it.message())],
        3: [bytes, (it) => (schemaUrl = it.text())],
      });
    });
    const resource = { attributes, schemaUrl };
    for (const scope of scopes) readScopeSpans(scope, resource);
  };
  guarded(() => {
    readFields(new WireReader(data), {
      1: [
        bytes,
        (it) => {
          readResourceSpans(it.message());
        },
      ],
    });
  });
  return { items, problems };
}

function writeValue(writer: WireWriter, field: number, value: OtlpValue): void {
  writer.message(field, (it) => {
    if (value === null) return;
    if (typeof value === "string") it.text(1, value);
    else if (typeof value === "boolean") it.varint(2, value ? 1 : 0);
    else if (typeof value === "number") {
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) it.varint(3, BigInt(value));
      else it.double(4, value);
    } else if (value instanceof Uint8Array) it.bytes(7, value);
    else if (Array.isArray(value)) {
      const list = value as readonly OtlpValue[];
      it.message(5, (inner) => {
        for (const item of list) writeValue(inner, 1, item);
      });
    } else {
      it.message(6, (inner) => {
        writeAttributes(inner, 1, value as OtlpAttributes);
      });
    }
  });
}

function writeAttributes(writer: WireWriter, field: number, attributes: OtlpAttributes): void {
  for (const [key, value] of Object.entries(attributes)) {
    writer.message(field, (it) => {
      it.text(1, key);
      writeValue(it, 2, value);
    });
  }
}

const writeText = (writer: WireWriter, field: number, value: string): void => {
  if (value !== "") writer.text(field, value);
};

function writeSpan(writer: WireWriter, span: OtlpSpan): void {
  writer.bytes(1, idBytes(span.traceId));
  writer.bytes(2, idBytes(span.spanId));
  writeText(writer, 3, span.traceState);
  if (span.parentId !== null) writer.bytes(4, idBytes(span.parentId));
  writeText(writer, 5, span.name);
  if (span.kind !== 0) writer.varint(6, span.kind);
  writer.fixed64(7, span.startTime);
  writer.fixed64(8, span.endTime);
  writeAttributes(writer, 9, span.attributes);
  for (const { name, time, attributes } of span.events) {
    writer.message(11, (it) => {
      it.fixed64(1, time);
      writeText(it, 2, name);
      writeAttributes(it, 3, attributes);
    });
  }
  for (const { traceId, spanId, traceState, attributes } of span.links) {
    writer.message(13, (it) => {
      it.bytes(1, idBytes(traceId));
      it.bytes(2, idBytes(spanId));
      writeText(it, 3, traceState);
      writeAttributes(it, 4, attributes);
    });
  }
  const { code, message } = span.status;
  if (code === "unset" && message === "") return;
  writer.message(15, (it) => {
    writeText(it, 2, message);
    if (code !== "unset") it.varint(3, statusCodes.indexOf(code));
  });
}

/** One ExportTraceServiceRequest. The same spans always give the same bytes. */
export function encodeOtlpProtobuf(spans: readonly OtlpSpan[]): Uint8Array<ArrayBuffer> {
  const writer = new WireWriter();
  for (const { resource, scopes } of groupSpans(spans)) {
    writer.message(1, (it) => {
      it.message(1, (inner) => {
        writeAttributes(inner, 1, resource.attributes);
      });
      for (const { scope, spans: members } of scopes) {
        it.message(2, (inner) => {
          inner.message(1, (own) => {
            writeText(own, 1, scope.name);
            writeText(own, 2, scope.version);
            writeAttributes(own, 3, scope.attributes);
          });
          for (const span of members) {
            inner.message(2, (own) => {
              writeSpan(own, span);
            });
          }
        });
      }
      writeText(it, 3, resource.schemaUrl);
    });
  }
  return writer.finish();
}
