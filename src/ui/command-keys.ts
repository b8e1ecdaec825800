import type { ReactiveController, ReactiveControllerHost } from "lit";
import { commandFor, type CommandTarget } from "./commands.ts";
import { KeySequence, keyOf } from "./keys.ts";

/** What takes keys for itself. */
const TEXTS = "input, select, textarea, [contenteditable]";

/** Command mode: the keys of the page, as commands of the notebook that it belongs to. */
export class CommandKeys implements ReactiveController {
  readonly #host: CommandTarget & EventTarget;
  readonly #sequence = new KeySequence();
  /** Collects keys while an editor is on its way. */
  #typed: string[] | null = null;
  readonly #onKeydown = (event: KeyboardEvent): void => {
    this.#press(event);
  };

  constructor(host: CommandTarget & EventTarget & ReactiveControllerHost) {
    this.#host = host;
    host.addController(this);
  }

  hostConnected(): void {
    window.addEventListener("keydown", this.#onKeydown);
  }

  hostDisconnected(): void {
    window.removeEventListener("keydown", this.#onKeydown);
  }

  /** What is typed while an editor is being loaded is meant for it, and no command: resolves with it. */
  async typedDuring(loading: Promise<void>): Promise<string> {
    const typed: string[] = [];
    this.#typed = typed;
    try {
      await loading;
    } finally {
      if (this.#typed === typed) this.#typed = null;
    }
    return typed.join("");
  }

  #press(event: KeyboardEvent): void {
    const key = keyOf(event);
    if (key === "" || event.defaultPrevented || event.isComposing) return;
    const path = event.composedPath();
    const [target] = path;
    // Keys of a dialog are the dialog's; so are plain keys typed into a text or a list.
    if (path.some((element) => element instanceof HTMLDialogElement)) return;
    const inText = target instanceof Element && target.closest(TEXTS) !== null;
    const inCell = target instanceof Element && target.localName === "section" && path.includes(this.#host);
    if (this.#typed && !inText) {
      if (event.key.length === 1 && !event.ctrlKey && !event.metaKey) this.#typed.push(event.key);
      else if (event.key === "Enter") this.#typed.push("\n");
      event.preventDefault();
      return;
    }
    const pressed = inText ? [key] : this.#sequence.press(key, event.timeStamp);
    const command = commandFor(pressed, inText ? "text" : inCell ? "cell" : "page", this.#host);
    if (!command) return;
    this.#sequence.clear();
    event.preventDefault();
    command.run(this.#host);
  }
}
