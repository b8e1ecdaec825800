import { flattenAttributes, nestedBelow, type FlatAttributes } from "./attributes.ts";
import { agentLightning } from "./semantic-conventions.ts";

/** A span that another one is about: the one whose attribute (or "trace_id", "span_id") has this value. */
export interface SpanLink {
  readonly key: string;
  readonly value: string;
}

interface Linked {
  readonly traceId?: string;
  readonly spanId: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** Attributes of a span with these tags: any texts, for example "reward.extrinsic". */
export const tagAttributes = (tags: readonly string[]): FlatAttributes =>
  flattenAttributes({ [agentLightning.tags]: tags }, { expandLists: true });

/** The tags of a span, in order; none where they are not well-formed. */
export function tagsOf({ attributes }: Pick<Linked, "attributes">): string[] {
  const tags = nestedBelow(attributes, agentLightning.tags);
  return Array.isArray(tags) && tags.every((tag) => typeof tag === "string") ? tags : [];
}

/** Attributes of a span that is about others, by what they have: `{ "gen_ai.response.id": "r-1" }`. */
export const linkAttributes = (links: Readonly<Record<string, string>>): FlatAttributes =>
  flattenAttributes(
    {
      [agentLightning.links]: Object.entries(links).map(([key, value]) => ({
        key_match: key,
        value_match: value,
      })),
    },
    { expandLists: true },
  );

/** The links of a span, in order. */
export function linksOf({ attributes }: Pick<Linked, "attributes">): SpanLink[] {
  const links = nestedBelow(attributes, agentLightning.links);
  if (!Array.isArray(links)) return [];
  return (links as readonly unknown[]).flatMap((link) => {
    const { key_match: key, value_match: value } = (link ?? {}) as Readonly<Record<string, unknown>>;
    return typeof key === "string" && typeof value === "string" ? [{ key, value }] : [];
  });
}

/** Those of `spans` that match every one of the links, exactly. */
export const linkedSpans = <Span extends Linked>(
  spans: readonly Span[],
  links: readonly SpanLink[],
): Span[] =>
  spans.filter((span) =>
    links.every(({ key, value }) => {
      if (key === "trace_id") return span.traceId === value;
      return key === "span_id" ? span.spanId === value : span.attributes[key] === value;
    }),
  );
