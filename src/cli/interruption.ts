const POLL_MS = 500;
/** What was interrupted has this long to end by itself once nobody is there to press Ctrl-C again. */
const GRACE_MS = 10_000;
/** As the command began: opening a browser takes seconds, in which npx may go. */
const parent = process.ppid;

/**
 * Calls `interrupt` at Ctrl-C, and where npx, which started this command, is gone: it may have been killed without
 * passing a signal on, and nobody would ever end the run. Then the process exits with 130 after 10 s at the latest. A
 * command that a shell started lives on without it, as after `nohup`. Returns what ends the listening.
 */
export function onInterruption(interrupt: () => void): () => void {
  process.once("SIGINT", interrupt);
  const watch = (): void => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    interrupt();
    setTimeout(() => process.exit(130), GRACE_MS).unref();
  };
  const timer = process.env["npm_command"] === "exec" ? setInterval(watch, POLL_MS).unref() : undefined;
  return () => {
    process.off("SIGINT", interrupt);
    clearInterval(timer);
  };
}
