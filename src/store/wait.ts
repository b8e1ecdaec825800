import type { StoreAccess } from "./access.ts";

/** Time limits pass without anybody writing: look again at least this often, milliseconds. */
const lookAgain = 1000;

/**
 * Resolves when `done` says so, asked now and after every change; or after `timeout` milliseconds (null, the default:
 * never); or when the signal says so.
 */
export async function waitUntil(
  access: Pick<StoreAccess, "subscribe">,
  done: () => Promise<boolean>,
  { timeout = null, signal }: { readonly timeout?: number | null; readonly signal?: AbortSignal },
): Promise<void> {
  let wake: () => void = () => undefined;
  let written = false;
  let over = timeout !== null && timeout <= 0;
  const end = (): void => {
    over = true;
    wake();
  };
  const unsubscribe = access.subscribe(() => {
    written = true;
    wake();
  });
  const timer = timeout === null || over ? null : setTimeout(end, timeout);
  signal?.addEventListener("abort", end);
  if (signal?.aborted) over = true;
  try {
    for (;;) {
      written = false;
      if ((await done()) || over) return;
      let again: ReturnType<typeof setTimeout> | null = null;
      await new Promise<void>((resolve) => {
        wake = resolve;
        again = setTimeout(resolve, lookAgain);
        if (written || over) resolve();
      });
      if (again !== null) clearTimeout(again);
    }
  } finally {
    unsubscribe();
    if (timer !== null) clearTimeout(timer);
    signal?.removeEventListener("abort", end);
  }
}
