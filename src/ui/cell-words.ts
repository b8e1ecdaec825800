import type { Run } from "../store/records.ts";
import type { CellState, CellView } from "../notebook/session-types.ts";

/** A cell's state in the fewest plain words; "" where there is nothing to say. */
export function stateWords(state: CellState, lazy: boolean): string {
  switch (state.kind) {
    case "idle":
      return lazy ? "not run yet" : "";
    case "queued":
      return "waiting";
    case "running":
      return "running";
    case "done":
      return "";
    case "stale":
      return state.because.length === 0 ? "stale: edited" : `stale: ${list(state.because)} changed`;
    case "error":
      return "error";
    case "cancelled":
      return "stopped";
  }
}

/** Of a cell that has not run since the page was opened, but that the store has a run of. */
export function storedWords(status: Run["status"]): string {
  switch (status) {
    case "queued":
    case "running":
      return "running";
    case "paused":
      return "paused";
    case "succeeded":
      return "ran before";
    case "failed":
      return "failed";
    case "cancelled":
      return "stopped";
  }
}

/** How a screen reader names the cell: place, name, kind, state; `run` says what its run does or came to. */
export function cellLabel(cell: CellView, index: number, run: string | null = null): string {
  const kind = { code: "TypeScript", md: "text", test: "test" }[cell.kind];
  const waits = cell.heldUp === null ? "" : `waits for ${cell.heldUp.by}`;
  const words = cell.kind === "md" ? "" : (run ?? (stateWords(cell.state, cell.lazy) || waits));
  return [`Cell ${index + 1}`, cell.id, kind, words].filter((part) => part !== "").join(", ");
}

const list = (names: readonly string[]): string =>
  names.length < 3 ? names.join(" and ") : `${names.slice(0, 2).join(", ")} and ${names.length - 2} more`;

/** What a run does, for its own view. */
export function runStateWord(status: Run["status"], phase: string): string {
  switch (status) {
    case "queued":
    case "running":
      // Saving takes a moment after many updates; as a state of its own it would only flicker.
      return phase === "finished" || phase === "paused" || phase === "saving"
        ? "Training"
        : phase[0]!.toUpperCase() + phase.slice(1);
    case "paused":
      return "Paused";
    case "succeeded":
      return "Finished";
    case "failed":
      return "Failed";
    case "cancelled":
      return "Stopped";
  }
}
