import { StateEffect, StateField } from "@codemirror/state";
import { EditorView, showTooltip, type Tooltip } from "@codemirror/view";
import type { Place } from "./language-types.ts";

const set = StateEffect.define<Tooltip | null>();

const field = StateField.define<Tooltip | null>({
  create: () => null,
  update: (tooltip, { effects, docChanged }) => {
    for (const effect of effects) if (effect.is(set)) return effect.value;
    return docChanged ? null : tooltip;
  },
  provide: (self) => showTooltip.from(self),
});

/** Asks for a new name beside the old one; `done` hears it if it is one. */
export function askName(
  view: EditorView,
  at: number,
  old: string,
  places: readonly Place[],
  done: (name: string) => void,
): void {
  const cells = new Set(places.map(({ cell }) => cell)).size;
  const close = (): void => {
    view.dispatch({ effects: set.of(null) });
    view.focus();
  };
  const create = (): { dom: HTMLElement; mount(): void } => {
    const dom = document.createElement("form");
    dom.className = "cm-rename";
    const input = document.createElement("input");
    input.value = old;
    input.setAttribute("aria-label", `New name for ${old}`);
    input.pattern = "[A-Za-z_$][\\w$]*";
    input.required = true;
    const words = document.createElement("span");
    words.textContent = `${places.length} places in ${cells === 1 ? "this cell" : `${cells} cells`}`;
    dom.append(input, words);
    dom.addEventListener("submit", (event) => {
      event.preventDefault();
      close();
      if (input.value !== old) done(input.value);
    });
    dom.addEventListener("keydown", (event) => {
      event.stopPropagation();
      if (event.key === "Escape") close();
    });
    return {
      dom,
      mount: () => {
        input.focus();
        input.select();
      },
    };
  };
  const tooltip: Tooltip = { pos: at, above: true, create };
  const isReady = view.state.field(field, false) !== undefined;
  view.dispatch({
    effects: isReady ? set.of(tooltip) : StateEffect.appendConfig.of([field.init(() => tooltip), looks]),
  });
}

const looks = EditorView.theme({
  ".cm-rename": {
    display: "flex",
    alignItems: "center",
    gap: "8px",
    padding: "6px 10px",
    fontSize: "var(--size-small)",
    color: "var(--ink-quiet)",
  },
  ".cm-rename input": {
    font: "var(--size-code) / 20px var(--font-code)",
    padding: "2px 6px",
    border: "1px solid var(--hairline)",
    borderRadius: "4px",
    background: "var(--paper)",
    color: "var(--ink)",
  },
});
