/**
 * The traces of OTLP (opentelemetry-proto 1.x, trace/v1/trace.proto), as JSON and protobuf both carry them. Fields that
 * only repeat others (dropped counts, flags) are left out.
 */

/** An AnyValue. Whole numbers beyond 2^53 are strings of digits. */
export type OtlpValue =
  | string
  | number
  | boolean
  | null
  | Uint8Array
  | readonly OtlpValue[]
  | { readonly [key: string]: OtlpValue };

export type OtlpAttributes = Readonly<Record<string, OtlpValue>>;

export interface OtlpResource {
  readonly attributes: OtlpAttributes;
  readonly schemaUrl: string;
}

export interface OtlpScope {
  readonly name: string;
  readonly version: string;
  readonly attributes: OtlpAttributes;
}

export interface OtlpEvent {
  readonly name: string;
  /** Nanoseconds since the epoch. */
  readonly time: bigint;
  readonly attributes: OtlpAttributes;
}

export interface OtlpLink {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  readonly attributes: OtlpAttributes;
}

export interface OtlpSpan {
  /** Hexadecimal, 32 digits where it is valid. */
  readonly traceId: string;
  /** Hexadecimal, 16 digits where it is valid. */
  readonly spanId: string;
  /** Null for a root. */
  readonly parentId: string | null;
  readonly traceState: string;
  readonly name: string;
  /** 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer. */
  readonly kind: number;
  /** Nanoseconds since the epoch, 64 bits. */
  readonly startTime: bigint;
  readonly endTime: bigint;
  readonly attributes: OtlpAttributes;
  readonly events: readonly OtlpEvent[];
  readonly links: readonly OtlpLink[];
  readonly status: { readonly code: "unset" | "ok" | "error"; readonly message: string };
  /** Spans of one resource or scope share the object. */
  readonly resource: OtlpResource;
  readonly scope: OtlpScope;
}

export const statusCodes = ["unset", "ok", "error"] as const;

/** Deeper values than this are refused. */
export const mostNesting = 64;

export interface ScopeGroup {
  readonly scope: OtlpScope;
  readonly spans: OtlpSpan[];
}

export interface ResourceGroup {
  readonly resource: OtlpResource;
  readonly scopes: ScopeGroup[];
}

/** Spans under their resources and scopes. The order stays: what belongs together but is apart gets a group of its own. */
export function groupSpans(spans: readonly OtlpSpan[]): ResourceGroup[] {
  const groups: ResourceGroup[] = [];
  for (const span of spans) {
    let group = groups.at(-1);
    if (group?.resource !== span.resource) groups.push((group = { resource: span.resource, scopes: [] }));
    const scope = group.scopes.at(-1);
    if (scope?.scope === span.scope) scope.spans.push(span);
    else group.scopes.push({ scope: span.scope, spans: [span] });
  }
  return groups;
}

/** A 64-bit integer as an `OtlpValue`. */
export const integer = (value: bigint): number | string =>
  Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
