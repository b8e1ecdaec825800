import { autocompletion, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { setDiagnostics } from "@codemirror/lint";
import {
  EditorView,
  hoverTooltip,
  keymap,
  ViewPlugin,
  type Tooltip,
  type ViewUpdate,
} from "@codemirror/view";
import type { Extension } from "@codemirror/state";
import { languageClient } from "./language-client.ts";
import type { LanguageHost } from "./language-host.ts";
import type { LanguageApi, LanguageCell } from "./language-types.ts";
import { askName } from "./rename-tooltip.ts";

const DIAGNOSE_DELAY_MS = 500;

/** Types, completion, explanations, errors, renaming and definitions for the editor of one cell. */
export function languageSupport(cell: () => string, host: LanguageHost): Extension {
  const ask = <T>(view: EditorView, question: (api: LanguageApi) => Promise<T>): Promise<T> => {
    const id = cell();
    const cells: LanguageCell[] = host.cells.map((one) =>
      one.id === id ? { id, source: view.state.doc.toString() } : one,
    );
    return languageClient().ask(cells, question);
  };

  const complete = async (context: CompletionContext): Promise<CompletionResult | null> => {
    const { view, pos, explicit } = context;
    const word = context.matchBefore(/[\w$]+|\.\s*[\w$]*/);
    if (!view || (!explicit && !word)) return null;
    const found = await ask(view, (api) => api.complete(cell(), pos));
    if (!found || context.aborted) return null;
    return {
      from: found.from,
      validFor: /^[\w$]*$/,
      options: found.options.map(({ label, type, origin, rank }) => ({
        label,
        type,
        ...(origin === null ? {} : { detail: origin }),
        sortText: `${rank}${label}`,
        boost: Math.max(-99, 20 - Number.parseInt(rank, 10)),
        info: async () => {
          const told = await ask(view, (api) => api.describe(cell(), pos, label));
          return told === null ? null : { dom: explanation(told.signature, told.documentation) };
        },
      })),
    };
  };

  const hover = hoverTooltip(async (view, at): Promise<Tooltip | null> => {
    const told = await ask(view, (api) => api.hover(cell(), at));
    if (!told || told.signature === "") return null;
    return {
      pos: told.from,
      end: told.to,
      above: true,
      create: () => ({ dom: explanation(told.signature, told.documentation) }),
    };
  });

  const rename = (view: EditorView): boolean => {
    const at = view.state.selection.main.head;
    const word = view.state.wordAt(at);
    if (!word) return false;
    void ask(view, (api) => api.renamePlaces(cell(), at)).then((places) => {
      if (places === null) return;
      const old = view.state.sliceDoc(word.from, word.to);
      askName(view, word.from, old, places, (name) => {
        host.rename(places, name);
      });
    });
    return true;
  };

  const define = (view: EditorView): boolean => {
    void ask(view, (api) => api.definition(cell(), view.state.selection.main.head)).then((place) => {
      if (place) host.reveal(place);
    });
    return true;
  };

  return [
    autocompletion({ override: [complete], maxRenderedOptions: 60 }),
    hover,
    ViewPlugin.define((view) => new Diagnoser(view, () => ask(view, (api) => api.diagnose(cell())))),
    keymap.of([
      { key: "F2", run: rename },
      { key: "F12", run: define },
    ]),
    looks,
  ];
}

/** Asks for errors when the text has been still for a while, and when it is entered: another cell may have changed. */
class Diagnoser {
  readonly #view: EditorView;
  readonly #ask: () => ReturnType<LanguageApi["diagnose"]>;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #request = 0;

  constructor(view: EditorView, ask: () => ReturnType<LanguageApi["diagnose"]>) {
    this.#view = view;
    this.#ask = ask;
    this.#soon(0);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged) this.#soon(DIAGNOSE_DELAY_MS);
    else if (update.focusChanged && update.view.hasFocus) this.#soon(0);
  }

  destroy(): void {
    clearTimeout(this.#timer);
    this.#request = -1;
  }

  #soon(delay: number): void {
    clearTimeout(this.#timer);
    const request = ++this.#request;
    this.#timer = setTimeout(() => {
      this.#ask().then(
        (problems) => {
          if (request !== this.#request) return;
          const { length } = this.#view.state.doc;
          const diagnostics = problems
            .filter(({ to }) => to <= length)
            .map(({ from, to, severity, message }) => ({
              from,
              to,
              severity,
              message,
              source: "TypeScript",
            }));
          this.#view.dispatch(setDiagnostics(this.#view.state, diagnostics));
        },
        () => undefined,
      );
    }, delay);
  }
}

function explanation(signature: string, documentation: string): HTMLElement {
  const dom = document.createElement("div");
  dom.className = "cm-explanation";
  const code = document.createElement("code");
  code.textContent = signature;
  dom.append(code);
  if (documentation !== "") {
    const text = document.createElement("p");
    const lines = documentation.replace(/(?<!\n)\n(?!\n|@|[-*] |\d+\. )\s*/g, " ");
    // Between two backticks stands code: every second part.
    for (const [i, part] of lines.split("`").entries()) {
      const element = document.createElement(i % 2 === 0 ? "span" : "code");
      element.textContent = part;
      text.append(element);
    }
    dom.append(text);
  }
  return dom;
}

const looks = EditorView.theme({
  ".cm-explanation": {
    maxWidth: "min(560px, 80vw)",
    maxHeight: "280px",
    overflowY: "auto",
    padding: "8px 12px",
    fontSize: "var(--size-small)",
    lineHeight: "20px",
  },
  ".cm-explanation code": {
    fontFamily: "var(--font-code)",
    whiteSpace: "pre-wrap",
    overflowWrap: "anywhere",
  },
  ".cm-explanation p": { margin: "8px 0 0", color: "var(--ink-quiet)", whiteSpace: "pre-line" },
  ".cm-completionInfo": { padding: "0", border: "1px solid var(--hairline)", background: "var(--raised)" },
  ".cm-completionDetail": { color: "var(--ink-quiet)", fontStyle: "normal" },
  ".cm-completionIcon": { display: "none" },
  ".cm-tooltip-autocomplete > ul": {
    fontFamily: "var(--font-code)",
    fontSize: "var(--size-small)",
    maxHeight: "15em",
  },
  ".cm-tooltip-autocomplete > ul > li": { padding: "3px 10px", lineHeight: "20px" },
  ".cm-lintRange-error": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--error) 1px",
    textUnderlineOffset: "4px",
    textDecorationSkipInk: "none",
  },
  ".cm-lintRange-warning, .cm-lintRange-info": {
    backgroundImage: "none",
    textDecoration: "underline wavy var(--stale) 1px",
    textUnderlineOffset: "4px",
  },
  ".cm-diagnostic": {
    borderLeft: "3px solid var(--error)",
    padding: "6px 10px",
    fontFamily: "var(--font-text)",
    fontSize: "var(--size-small)",
    lineHeight: "20px",
    maxWidth: "min(560px, 80vw)",
    whiteSpace: "pre-line",
  },
  ".cm-diagnosticSource": { display: "none" },
});
