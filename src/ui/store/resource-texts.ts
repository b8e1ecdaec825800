import type { Resource, Resources } from "../../store/lightning-records.ts";
import type { Run } from "../../store/records.ts";
import { sourceText } from "../../train/job-resources.ts";

/** A named resource as a text that can be compared with another version's. */
export interface ResourceText {
  readonly name: string;
  readonly text: string;
}

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** As JSON; of arrays of numbers only how many there are. */
const json = (value: unknown, indent = 2): string =>
  JSON.stringify(
    value,
    (_, inner: unknown) =>
      typeof inner === "bigint"
        ? `${inner}n`
        : ArrayBuffer.isView(inner)
          ? `${inner.byteLength} bytes`
          : inner,
    indent,
  ) ?? "";

const withRest = (code: string, rest: object): string =>
  Object.keys(rest).length > 0 ? `${code}\n\n// ${json(rest, 0)}` : code;

/** What a run was started with: code as it is, all else as JSON. */
export function jobTexts({ job }: Run): ResourceText[] {
  if (!isFields(job)) return [];
  return Object.entries(job)
    .filter(([name]) => !["kind", "name"].includes(name))
    .map(([name, value]) => {
      const code = isFields(value) ? (value["code"] ?? value["source"]) : undefined;
      if (!isFields(value) || typeof code !== "string") return { name, text: json(value) };
      const { entry } = value;
      const rest = Object.entries(value).filter(
        ([key, of]) =>
          !["code", "source", "entry"].includes(key) && !(isFields(of) && Object.keys(of).length === 0),
      );
      const text = typeof entry === "string" ? sourceText({ code, entry }) : code;
      return { name, text: withRest(text, Object.fromEntries(rest)) };
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
