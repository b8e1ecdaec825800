import { tokens } from "./tokens.css.ts";

export type Theme = "system" | "light" | "dark";

const KEY = "fulgurite/theme";
const order: readonly Theme[] = ["system", "light", "dark"];

/** The stored choice; local storage, because it must be known before the first paint. */
export function currentTheme(): Theme {
  try {
    const stored = localStorage.getItem(KEY);
    return order.find((theme) => theme === stored) ?? "system";
  } catch {
    return "system";
  }
}

/** Shows `theme` and remembers it where the browser lets us. */
export function setTheme(theme: Theme): void {
  document.documentElement.style.colorScheme = theme === "system" ? "" : theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Storage is closed to us (private window, policy): the choice lasts for this page.
  }
  window.dispatchEvent(new Event("fulgurite-theme"));
}

export const nextTheme = (theme: Theme): Theme => order[(order.indexOf(theme) + 1) % order.length]!;

/** Puts the tokens and the stored theme on the document. Call once, before the first element. */
export function installTheme(): void {
  const sheet = tokens.styleSheet;
  if (sheet) document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  setTheme(currentTheme());
}
