let last: Promise<void> = Promise.resolve();

/**
 * Resolves in a task of its own, after those asked for before: work that comes in many pieces leaves the page
 * time to answer between them.
 */
export function turn(): Promise<void> {
  last = last.then(
    () =>
      new Promise<void>((resolve) => {
        const { port1, port2 } = new MessageChannel();
        // Not setTimeout: browsers hold nested ones back by 4 ms, and hidden tabs by a second.
        port1.onmessage = () => {
          port1.close();
          resolve();
        };
        port2.postMessage(null);
      }),
  );
  return last;
}
