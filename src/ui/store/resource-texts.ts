import type { Resource, Resources } from "../../store/lightning-records.ts";
import type { Run } from "../../store/records.ts";

/** A named resource as a text that can be compared with another version's. */
export interface ResourceText {
  readonly name: string;
  readonly text: string;
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** As JSON; of arrays of numbers only how many there are. */
const json = (value: unknown): string =>
  JSON.stringify(
    value,
    (_, inner: unknown) => (ArrayBuffer.isView(inner) ? `${inner.byteLength} bytes` : inner),
    2,
  ) ?? "";

const withRest = (code: string, rest: object): string =>
  Object.keys(rest).length > 0 ? `${code}\n\n// ${JSON.stringify(rest)}` : code;

/** What a run was started with: code as it is, all else as JSON. */
export function jobTexts({ job }: Run): ResourceText[] {
  if (!isFields(job)) return [];
  return Object.entries(job)
    .filter(([name]) => !["kind", "name"].includes(name))
    .map(([name, value]) => {
      const code = isFields(value) ? (value["code"] ?? value["source"]) : undefined;
      if (typeof code !== "string") return { name, text: json(value) };
      const rest = Object.entries(value as object).filter(([key]) => key !== "code" && key !== "source");
      return { name, text: withRest(code, Object.fromEntries(rest)) };
    });
}

function textOf(resource: Resource): string {
  switch (resource.type) {
    case "code":
      return withRest(resource.source, isFields(resource.constants) ? resource.constants : {});
    case "prompt_template":
      return resource.template;
    case "hyperparameters":
      return json(resource.values);
    case "llm":
    case "proxy_llm":
      // A key is nobody's business.
      return json({ ...resource, apiKey: resource.apiKey === null ? null : "…" });
    case "weights":
      return json(resource);
  }
}

/** The resources of one version of a set. */
export const setTexts = ({ resources }: Resources): ResourceText[] =>
  Object.entries(resources).map(([name, resource]) => ({ name, text: textOf(resource) }));
