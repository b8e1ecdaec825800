import { full } from "acorn-walk";
import { parse, type Literal, type TemplateElement } from "acorn";
import { stripTypes } from "./analyze.ts";
import type { NotebookDocument } from "./document.ts";
import { isShippedPackage } from "../runner/packages.ts";
import { hostOf } from "./host-of.ts";

/** What a notebook's text says that it will reach for; found by reading it, without running anything. */
export interface NotebookRequests {
  /** Hosts (with a port where one is written) of the addresses in its code, sorted: "api.example.com". */
  readonly hosts: readonly string[];
  /** Addresses that it imports code from. */
  readonly imports: readonly string[];
  /** Packages that ship with the page and that it imports, sorted. */
  readonly packages: readonly string[];
  /** Ids of cells that train, and so use the graphics card and the store. */
  readonly trains: readonly string[];
}

/**
 * Reads a notebook's requests for the person who is asked whether it may run. They are a help for the decision and
 * no guard: code can put an address together at run time, and is then refused until its host is granted.
 */
export function notebookRequests({ cells }: NotebookDocument): NotebookRequests {
  const hosts = new Set<string>();
  const imports = new Set<string>();
  const packages = new Set<string>();
  const trains: string[] = [];
  for (const { id, kind, source } of cells) {
    if (kind === "md") continue;
    for (const { text, imported } of texts(source)) {
      if (imported && isShippedPackage(text)) packages.add(text);
      const host = hostOf(text);
      if (host === null) continue;
      hosts.add(host);
      if (imported) imports.add(text);
    }
    if (/\btrain\s*\(/.test(source)) trains.push(id);
  }
  return {
    hosts: [...hosts].sort(),
    imports: [...imports].sort(),
    packages: [...packages].sort(),
    trains,
  };
}

function* texts(source: string): Generator<{ readonly text: string; readonly imported: boolean }> {
  const found: { text: string; imported: boolean }[] = [];
  try {
    const program = parse(stripTypes(source), {
      ecmaVersion: 2024,
      sourceType: "module",
      allowAwaitOutsideFunction: true,
    });
    const imported = new Set<unknown>();
    full(program, (node) => {
      const from = (node as { source?: unknown }).source;
      if (/^(?:Import|Export)/.test(node.type) && from) imported.add((from as Literal).value);
    });
    full(program, (node) => {
      if (node.type === "Literal" && typeof (node as Literal).value === "string") {
        const text = (node as Literal).value as string;
        found.push({ text, imported: imported.has(text) });
      } else if (node.type === "TemplateElement") {
        found.push({ text: (node as TemplateElement).value.raw, imported: false });
      }
    });
    // The walker leaves out the source of an import declaration.
    for (const text of imported) if (typeof text === "string") found.push({ text, imported: true });
  } catch {
    // What cannot be parsed cannot run; what it names is still shown.
    for (const [text] of source.matchAll(/(?:https?|wss?):\/\/[^\s"'`<>\\)]+/gi)) {
      found.push({ text, imported: false });
    }
  }
  yield* found;
}
