import type MarkdownIt from "markdown-it";

/**
 * `- [ ] ...` and `- [x] ...` as GitHub has them: the list's item gets the attribute "task", which is "open" or
 * "done", and its text goes without the brackets.
 */
export function taskRule(parser: InstanceType<typeof MarkdownIt>): void {
  parser.core.ruler.after("inline", "task", ({ tokens }) => {
    for (const [i, item] of tokens.entries()) {
      const inline = tokens[i + 2];
      const first = inline?.children?.[0];
      if (item.type !== "list_item_open" || inline?.type !== "inline" || first?.type !== "text") continue;
      const box = /^\[([ xX])\]\s+/.exec(first.content);
      if (!box) continue;
      item.attrSet("task", box[1] === " " ? "open" : "done");
      first.content = first.content.slice(box[0].length);
    }
  });
}
