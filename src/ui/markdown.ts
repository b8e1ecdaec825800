import type { nothing } from "lit";
import { html, type TemplateResult } from "lit";
import MarkdownIt, { type Token } from "markdown-it";
import "./math.ts";
import { mathRule } from "./math-rule.ts";
import "./picture.ts";
import { taskRule } from "./task-rule.ts";

let parser: InstanceType<typeof MarkdownIt> | null = null;

type Content = TemplateResult | string | typeof nothing;

/**
 * Markdown as Lit templates, made from tokens: no HTML string exists at any point, so nothing needs to be
 * sanitised. Links keep the schemes that markdown-it lets through (no javascript:, vbscript:, file:).
 */
export function markdown(source: string): TemplateResult {
  if (!parser) {
    parser = new MarkdownIt({ html: false, linkify: false, typographer: true });
    mathRule(parser);
    taskRule(parser);
  }
  return html`${block(parser.parse(source, {}))}`;
}

/** Tokens come flat, with a nesting of 1, 0 or -1; this finds the content of each opening one. */
function nest(tokens: readonly Token[], leaf: (token: Token) => Content): Content[] {
  const content: Content[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i]!;
    if (token.nesting !== 1) {
      if (token.nesting === 0) content.push(leaf(token));
      continue;
    }
    let depth = 1;
    let end = i + 1;
    while (end < tokens.length && depth > 0) depth += tokens[end++]!.nesting;
    content.push(element(token, nest(tokens.slice(i + 1, end - 1), leaf)));
    i = end - 1;
  }
  return content;
}

const block = (tokens: readonly Token[]): Content[] =>
  nest(tokens, (token) => {
    switch (token.type) {
      case "inline":
        return html`${inline(token.children ?? [])}`;
      case "fence":
      case "code_block":
        return html`<fulgurite-code-text
          .source=${token.content.replace(/\n$/, "")}
          .language=${/^(ts|js|typescript|javascript)?$/.test(token.info.trim()) ? "ts" : token.info}
        ></fulgurite-code-text>`;
      case "hr":
        return html`<hr />`;
      default:
        return token.content;
    }
  });

const inline = (tokens: readonly Token[]): Content[] =>
  nest(tokens, (token) => {
    switch (token.type) {
      case "code_inline":
        return html`<code>${token.content}</code>`;
      case "math":
        return html`<fulgurite-math
          .source=${token.content}
          ?display=${token.markup === "$$"}
        ></fulgurite-math>`;
      case "softbreak":
        return " ";
      case "hardbreak":
        return html`<br />`;
      case "image":
        return html`<fulgurite-picture
          .src=${token.attrGet("src") ?? ""}
          .alt=${token.content}
        ></fulgurite-picture>`;
      default:
        return token.content;
    }
  });

/** What `:-:` and `--:` under a column say; the parser writes it as a style. */
const alignment = (token: Token): string => /right|center/.exec(String(token.attrGet("style")))?.[0] ?? "";

function element(token: Token, content: Content[]): Content {
  if (token.hidden) return html`${content}`;
  switch (token.tag) {
    case "h1":
      return html`<h1>${content}</h1>`;
    case "h2":
      return html`<h2>${content}</h2>`;
    case "h3":
    case "h4":
    case "h5":
    case "h6":
      return html`<h3>${content}</h3>`;
    case "p":
      return html`<p>${content}</p>`;
    case "strong":
      return html`<strong>${content}</strong>`;
    case "em":
      return html`<em>${content}</em>`;
    case "s":
      return html`<s>${content}</s>`;
    case "a":
      return html`<a href=${token.attrGet("href") ?? ""} rel="noreferrer">${content}</a>`;
    case "ul":
      return html`<ul>
        ${content}
      </ul>`;
    case "ol":
      return html`<ol start=${token.attrGet("start") ?? 1}>
        ${content}
      </ol>`;
    case "li": {
      const task = token.attrGet("task");
      if (task === null) return html`<li>${content}</li>`;
      const isDone = task === "done";
      return html`<li class="task">
        <input
          type="checkbox"
          disabled
          .checked=${isDone}
          aria-label=${isDone ? "Done" : "To do"}
        />${content}
      </li>`;
    }
    case "blockquote":
      return html`<blockquote>${content}</blockquote>`;
    case "table":
      return html`<table>
        ${content}
      </table>`;
    case "thead":
      return html`<thead>
        ${content}
      </thead>`;
    case "tbody":
      return html`<tbody>
        ${content}
      </tbody>`;
    case "tr":
      return html`<tr>
        ${content}
      </tr>`;
    case "th":
      return html`<th scope="col" class=${alignment(token)}>${content}</th>`;
    case "td":
      return html`<td class=${alignment(token)}>${content}</td>`;
    default:
      return html`${content}`;
  }
}
