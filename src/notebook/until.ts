/**
 * Resolves with true once `holds`, asked now and on every "change" of `target`; with false after this many
 * milliseconds.
 */
export function until(target: EventTarget, holds: () => boolean, milliseconds: number): Promise<boolean> {
  if (holds()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const end = (held: boolean): void => {
      clearTimeout(timer);
      target.removeEventListener("change", check);
      resolve(held);
    };
    const check = (): void => {
      if (holds()) end(true);
    };
    // A timer longer than this ends at once.
    const timer = setTimeout(end, Math.min(milliseconds, 2 ** 31 - 1), false);
    target.addEventListener("change", check);
  });
}
