import type MarkdownIt from "markdown-it";

/**
 * `$...$` and `$$...$$` as tokens of type "math", with the formula as content and the signs as markup. As in Pandoc, a
 * sign that opens is followed by no space and one that closes comes after none and before no digit, so that prices
 * stay prices.
 */
export function mathRule(parser: InstanceType<typeof MarkdownIt>): void {
  parser.inline.ruler.after("escape", "math", (state, silent) => {
    const { src, pos } = state;
    if (src[pos] !== "$") return false;
    const fence = src.startsWith("$$", pos) ? "$$" : "$";
    const start = pos + fence.length;
    let end = src.indexOf(fence, start);
    while (end > 0 && src[end - 1] === "\\") end = src.indexOf(fence, end + 1);
    if (end <= start) return false;
    const isTight = /\S/.test(src[start]!) && /\S/.test(src[end - 1]!) && !/\d/.test(src[end + 1] ?? "");
    if (fence === "$" && !isTight) return false;
    if (!silent) {
      const token = state.push("math", "", 0);
      token.content = src.slice(start, end).trim();
      token.markup = fence;
    }
    state.pos = end + fence.length;
    return true;
  });
}
