import type { Plugin } from "vite";

const LINKS = "\0no-links";

/**
 * Leaves out of markdown-it what the page does without, because its modules run before the first paint: links are
 * not made of bare addresses, so the list of top-level domains goes; and the tree of HTML's 2,125 named characters is
 * unpacked when the first of them is met, not while the page loads. Throws where a new version of the packages no
 * longer has the places that are changed.
 */
export function leanMarkdown(): Plugin {
  return {
    name: "fulgurite-lean-markdown",
    apply: "build",
    enforce: "pre",
    resolveId: (id) => (id === "linkify-it" ? LINKS : undefined),
    load: (id) => (id === LINKS ? "export class LinkifyIt {}" : undefined),
    transform(code, id) {
      if (id.endsWith("/entities/dist/generated/decode-data-html.js")) {
        return replaced(id, code, /export const htmlDecodeTree = (.*);/, (_, tree) => {
          return `let tree;\nexport const htmlDecodeTree = () => (tree ??= ${tree});`;
        });
      }
      if (id.endsWith("/entities/dist/decode.js")) {
        return replaced(id, code, /= htmlDecodeTree;/, () => "= htmlDecodeTree();");
      }
      return undefined;
    },
  };
}

function replaced(
  id: string,
  code: string,
  pattern: RegExp,
  by: (all: string, part: string) => string,
): string {
  if (!pattern.test(code)) throw new Error(`${id} no longer has ${String(pattern)}.`);
  return code.replace(pattern, by);
}
