/**
 * Keys as text: modifiers and the key's name joined by "-" ("Mod-Shift-z", "Alt-ArrowUp", "?"), two presses one after
 * the other with a space ("d d"). "Mod" is Command on a Mac and Control elsewhere.
 */
export const isMac = (): boolean => /Mac|iP(?:hone|ad)/.test(navigator.platform);

/** The one press that an event is, in the same notation; "" while only a modifier is held. */
export function keyOf(event: KeyboardEvent): string {
  if (["Shift", "Control", "Alt", "Meta"].includes(event.key)) return "";
  const parts: string[] = [];
  if (isMac() ? event.metaKey : event.ctrlKey) parts.push("Mod");
  if (isMac() && event.ctrlKey) parts.push("Ctrl");
  if (event.altKey) parts.push("Alt");
  const letter = /^[a-z]$/i.test(event.key);
  // The shift of "?" or "_" is in the character itself.
  if (event.shiftKey && (letter || event.key.length > 1)) parts.push("Shift");
  return [...parts, letter ? event.key.toLowerCase() : event.key === " " ? "Space" : event.key].join("-");
}

const SEQUENCE_MS = 800;

/** Collects presses to sequences: `press` gives the keys that the last press completes, the longest first. */
export class KeySequence {
  #last = "";
  #at = 0;

  press(key: string, now: number): string[] {
    const both = this.#last !== "" && now - this.#at < SEQUENCE_MS ? [`${this.#last} ${key}`, key] : [key];
    this.#last = key;
    this.#at = now;
    return both;
  }

  /** The next press begins anew. */
  clear(): void {
    this.#last = "";
  }
}

const names: Readonly<Record<string, string>> = {
  ArrowUp: "↑",
  ArrowDown: "↓",
  ArrowLeft: "←",
  ArrowRight: "→",
  Escape: "Esc",
  Delete: "Del",
};

/** How a person reads it: "Ctrl Shift Z", on a Mac "⌘ ⇧ Z". */
export function keyWords(keys: string, mac = isMac()): string {
  const modifiers: Readonly<Record<string, string>> = mac
    ? { Mod: "⌘", Shift: "⇧", Alt: "⌥", Ctrl: "⌃" }
    : { Mod: "Ctrl", Shift: "Shift", Alt: "Alt", Ctrl: "Ctrl" };
  const press = (key: string): string =>
    key
      .split(/-(?=.)/)
      .map((part) => modifiers[part] ?? names[part] ?? (part.length === 1 ? part.toUpperCase() : part))
      .join(" ");
  return keys.split(" ").map(press).join(" ");
}
