import type { Nested } from "../trace/attributes.ts";

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Messages of a prompt: a list, an object with numbers for keys (among others), or one message by itself. */
function messagesOf(prompt: Nested): readonly unknown[] {
  if (Array.isArray(prompt)) return prompt as readonly unknown[];
  if (!isFields(prompt)) return [];
  const numbers = Object.keys(prompt).filter((key) => /^\d+$/.test(key));
  if (numbers.length === 0) return [prompt];
  return numbers.sort((a, b) => Number(a) - Number(b)).map((key) => prompt[key]);
}

function partsOf(content: unknown): readonly unknown[] {
  if (Array.isArray(content)) return content as readonly unknown[];
  if (typeof content !== "string") return [];
  try {
    const parsed = JSON.parse(content) as unknown;
    return Array.isArray(parsed) ? (parsed as readonly unknown[]) : [];
  } catch {
    return [];
  }
}

/** Addresses of the images in a prompt, in order; message contents may be lists of parts or their JSON. */
export const imageUrls = (prompt: Nested): string[] =>
  messagesOf(prompt)
    .flatMap((message) => (isFields(message) ? partsOf(message["content"]) : []))
    .flatMap((part) => {
      if (!isFields(part) || part["type"] !== "image_url" || !isFields(part["image_url"])) return [];
      const { url } = part["image_url"];
      return typeof url === "string" ? [url] : [];
    });
