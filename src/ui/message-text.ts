/** The content of a message, a text or parts, as text. */
export function partsText(content: unknown): string {
  if (typeof content === "string") return content;
  if (!Array.isArray(content)) return content === undefined ? "" : JSON.stringify(content);
  return content
    .map((part: unknown) => {
      const { content: inner, text } = (part ?? {}) as Record<string, unknown>;
      const said = inner ?? text;
      return typeof said === "string" ? said : JSON.stringify(part);
    })
    .join("");
}
