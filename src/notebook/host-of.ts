/** The host of an absolute http(s) address at the beginning of a text, or null. */
export function hostOf(text: string): string | null {
  if (!/^(?:https?|wss?):\/\//i.test(text)) return null;
  try {
    return new URL(text).host.toLowerCase() || null;
  } catch {
    return null;
  }
}
