import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  closeCompletion,
  completionKeymap,
  completionStatus,
} from "@codemirror/autocomplete";
import { defaultKeymap, indentWithTab } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { bracketMatching, indentOnInput, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, Prec, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, keymap } from "@codemirror/view";
import { classHighlighter } from "@lezer/highlight";

export interface EditorOptions {
  readonly parent: HTMLElement;
  readonly root: ShadowRoot;
  readonly source: string;
  readonly language: "ts" | "md";
  /** Accessible name; asked for again with every update of the view. */
  readonly label: () => string;
  readonly onChange: (source: string) => void;
  /** Mod+Enter runs, Shift+Enter runs and goes on. */
  readonly onRun: (advance: boolean) => void;
  /** The notebook has one history, over text and structure. */
  readonly onTravel: (action: "undo" | "redo") => void;
  readonly onEscape: () => void;
  /** The caret left by an arrow key: up from the first line or down from the last. */
  readonly onLeave: (direction: -1 | 1) => void;
}

/** At the top of the window, by the header and the bar of finding. */
const coveredPixels = (): number =>
  (document.querySelector("fulgurite-find")?.getBoundingClientRect().bottom ?? 56) + 8;

/** The same metrics as the still text, so that nothing moves when an editor takes its place. */
const looks = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--ink)" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": {
    fontFamily: "var(--font-code)",
    fontSize: "var(--size-code)",
    lineHeight: "var(--line-code)",
  },
  ".cm-content": { padding: "0", caretColor: "var(--accent)" },
  ".cm-line": { padding: "0" },
  ".cm-cursor": { borderLeft: "2px solid var(--accent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    background: "color-mix(in oklab, var(--accent) 24%, transparent)",
    forcedColorAdjust: "none",
  },
  ".cm-matchingBracket, &.cm-focused .cm-matchingBracket": {
    background: "var(--accent-wash)",
    outline: "1px solid var(--accent-ink)",
  },
  ".cm-tooltip": {
    background: "var(--raised)",
    color: "var(--ink)",
    border: "1px solid var(--hairline)",
    borderRadius: "var(--radius)",
  },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": {
    background: "var(--accent-fill)",
    color: "var(--on-accent)",
    forcedColorAdjust: "none",
  },
});

/** Where the language service takes its place once it has loaded. */
const support = new Compartment();

/** Puts the language service into a view that was opened without it. */
export function addSupport(view: EditorView, extension: Extension): void {
  view.dispatch({ effects: support.reconfigure(extension) });
}

/** A CodeMirror view of one cell. The caller owns it and calls `destroy`. */
export function openEditor(options: EditorOptions): EditorView {
  const run = (advance: boolean) => (): boolean => {
    options.onRun(advance);
    return true;
  };
  const travel = (action: "undo" | "redo") => (): boolean => {
    options.onTravel(action);
    return true;
  };
  const leave =
    (direction: -1 | 1) =>
    (view: EditorView): boolean => {
      const { main } = view.state.selection;
      const line = view.state.doc.lineAt(main.head).number;
      if (!main.empty || line !== (direction < 0 ? 1 : view.state.doc.lines)) return false;
      options.onLeave(direction);
      return true;
    };
  const language: Extension = options.language === "ts" ? javascript({ typescript: true }) : [];
  return new EditorView({
    parent: options.parent,
    root: options.root,
    state: EditorState.create({
      doc: options.source,
      extensions: [
        Prec.highest(
          keymap.of([
            { key: "Shift-Enter", run: run(true) },
            { key: "Mod-Enter", run: run(false) },
            {
              // A completion list that is only being looked for must not cost the person a second Escape.
              key: "Escape",
              run: (view) => {
                if (completionStatus(view.state) === "active") return closeCompletion(view);
                options.onEscape();
                return true;
              },
            },
            { key: "Mod-z", run: travel("undo") },
            { key: "Mod-Shift-z", run: travel("redo") },
            { key: "Mod-y", run: travel("redo") },
            { key: "Alt-ArrowUp", run: leave(-1) },
            { key: "Alt-ArrowDown", run: leave(1) },
          ]),
        ),
        drawSelection(),
        indentOnInput(),
        indentUnit.of("  "),
        bracketMatching(),
        closeBrackets(),
        // Outside the compartment: a timer of its plugin that outlived a change of it would miss its state.
        options.language === "ts" ? autocompletion() : [],
        support.of([]),
        language,
        syntaxHighlighting(classHighlighter),
        EditorView.lineWrapping,
        EditorView.scrollMargins.of(() => ({ top: coveredPixels() })),
        looks,
        EditorView.contentAttributes.of(() => ({ "aria-label": options.label(), spellcheck: "false" })),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) options.onChange(update.state.doc.toString());
        }),
        keymap.of([...closeBracketsKeymap, ...completionKeymap, ...defaultKeymap, indentWithTab]),
      ],
    }),
  });
}

/** Puts another text into the view by changing what differs; the caret follows the change. Nothing where it is there already. */
export function replaceText(view: EditorView, source: string): void {
  const old = view.state.doc.toString();
  if (old === source) return;
  let from = 0;
  while (from < old.length && from < source.length && old[from] === source[from]) from++;
  let behind = 0;
  const most = Math.min(old.length, source.length) - from;
  while (behind < most && old[old.length - 1 - behind] === source[source.length - 1 - behind]) behind++;
  const insert = source.slice(from, source.length - behind);
  view.dispatch({
    changes: { from, to: old.length - behind, insert },
    selection: { anchor: from + insert.length },
    scrollIntoView: view.hasFocus,
  });
}
