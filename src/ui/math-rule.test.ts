import MarkdownIt from "markdown-it";
import { expect, test } from "vitest";
import { mathRule } from "./math-rule.ts";

const formulas = (text: string): string[] => {
  const parser = new MarkdownIt({ html: false });
  mathRule(parser);
  return parser
    .parse(text, {})
    .flatMap(({ children }) => children ?? [])
    .filter(({ type }) => type === "math")
    .map(({ content, markup }) => `${markup}${content}`);
};

test.each([
  ["the return $G_t = r_t + \\gamma G_{t+1}$ of a step", ["$G_t = r_t + \\gamma G_{t+1}$".slice(0, -1)]],
  ["$$\n\\sum_i *a_i*\n$$", ["$$\\sum_i *a_i*"]],
  ["it costs $5 and that one $6, or 7 $ and 8 $", []],
  ["`$x$` is code and \\$x$ is none", []],
  ["$x", []],
])("%j holds %j", (text, found) => {
  expect(formulas(text)).toEqual(found);
});
