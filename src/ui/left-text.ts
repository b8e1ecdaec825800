import { parseDocument } from "../notebook/document.ts";

// The store is in a worker, which ends with the page: what was typed in the last moment does not get there any more. Local
// storage is written before the page is gone.

const key = (notebook: string): string => `fulgurite/left/${notebook}`;

/** Puts the text aside in which the page was left; a browser that closes local storage to us, or has no room, loses it. */
export function leaveText(notebook: string, text: string): void {
  try {
    localStorage.setItem(key(notebook), text);
  } catch {
    // Nobody is there to be told.
  }
}

/** The text that a page was left in before it was kept; null for none. */
export function textLeft(notebook: string): string | null {
  try {
    const text = localStorage.getItem(key(notebook));
    if (text !== null) parseDocument(text);
    return text;
  } catch {
    return null;
  }
}

/** A later text is kept. */
export function forgetLeft(notebook: string): void {
  try {
    localStorage.removeItem(key(notebook));
  } catch {
    // Then there is none.
  }
}
