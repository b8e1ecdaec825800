import type { CellKind, CellView } from "../notebook/session-types.ts";
import type { StructureEdit } from "../notebook/structure.ts";

/** What a command may ask of the notebook on the page. */
export interface CommandTarget {
  /** The cell that has, or last had, the focus. */
  readonly cell: CellView | null;
  readonly index: number;
  readonly cells: readonly CellView[];
  /** Where the caret of the open text is, in characters; null where no text is open. */
  readonly caret: number | null;
  readonly canUndo: boolean;
  readonly canRedo: boolean;
  /** Something went wrong outside any cell, and there is a notebook to look at without being told so. */
  readonly canDismiss: boolean;
  apply(edit: StructureEdit, then?: "select" | "edit"): void;
  undo(): void;
  redo(): void;
  select(index: number): void;
  editText(): void;
  run(): void;
  runAndAdvance(): void;
  runAll(): void;
  runStale(): void;
  stopAll(): void;
  /** Stops the cell and lets the runs that it began go on. */
  leaveRuns(): void;
  showRunning(): void;
  unfold(): void;
  /** Puts the notice away. */
  dismiss(): void;
  /** Opens or closes one of the page's panels and dialogs. */
  open(what: Panel): void;
}

export type Panel =
  | "palette"
  | "keys"
  | "find"
  | "outline"
  | "variables"
  | "library"
  | "share"
  | "history"
  | "runs"
  | "permissions"
  | "app"
  | "rename-cell";

export interface Command {
  readonly id: string;
  readonly title: string;
  readonly group: "Cells" | "Run" | "Look" | "Notebook";
  /** See `keys.ts`; menus and the palette show the first one, the keyboard sheet all. */
  readonly keys: readonly string[];
  /** "cell": only where a cell itself has the focus. "page": wherever. "text": also while a text is being edited. */
  readonly scope: "cell" | "page" | "text";
  readonly isAvailable?: (target: CommandTarget) => boolean;
  run(target: CommandTarget): void;
}

const onCell = (target: CommandTarget): boolean => target.cell !== null;
const editable = (target: CommandTarget): boolean => target.cell !== null && !target.cell.readonly;

const toKind = (kind: CellKind, title: string, keys: string[]): Command => ({
  id: `to-${kind}`,
  title,
  group: "Cells",
  keys,
  scope: "cell",
  isAvailable: (target) => editable(target) && target.cell!.kind !== kind,
  run: (target) => {
    target.apply({ kind: "kind", id: target.cell!.id, cell: kind });
  },
});

const panel = (id: Panel, title: string, keys: string[], scope: Command["scope"] = "page"): Command => ({
  id,
  title,
  group: id === "outline" || id === "variables" || id === "app" || id === "find" ? "Look" : "Notebook",
  keys,
  scope,
  run: (target) => {
    target.open(id);
  },
});

const insert = (where: 0 | 1, id: string, title: string, keys: string[]): Command => ({
  id,
  title,
  group: "Cells",
  keys,
  scope: "cell",
  run: (target) => {
    const at = target.cells.length === 0 ? 0 : target.index + where;
    target.apply({ kind: "insert", at, cell: "code" }, "edit");
  },
});

const move = (by: -1 | 1, id: string, title: string, keys: string[]): Command => ({
  id,
  title,
  group: "Cells",
  keys,
  scope: "cell",
  isAvailable: (target) => onCell(target) && target.cells[target.index + by] !== undefined,
  run: (target) => {
    target.apply({ kind: "move", id: target.cell!.id, to: target.index + by });
  },
});

/** Everything that a key, the palette or a menu can do, in the order of the keyboard sheet. */
export const commands: readonly Command[] = [
  {
    id: "previous",
    title: "Go to the cell above",
    group: "Cells",
    keys: ["ArrowUp", "k"],
    scope: "cell",
    run: (target) => {
      target.select(target.index - 1);
    },
  },
  {
    id: "next",
    title: "Go to the cell below",
    group: "Cells",
    keys: ["ArrowDown", "j"],
    scope: "cell",
    run: (target) => {
      target.select(target.index + 1);
    },
  },
  {
    id: "edit",
    title: "Edit the cell (Esc leaves it)",
    group: "Cells",
    keys: ["Enter"],
    scope: "cell",
    isAvailable: editable,
    run: (target) => {
      target.editText();
    },
  },
  insert(0, "insert-above", "Add a cell above", ["a"]),
  insert(1, "insert-below", "Add a cell below", ["b"]),
  {
    id: "insert-text",
    title: "Add a text cell below",
    group: "Cells",
    keys: ["t"],
    scope: "cell",
    run: (target) => {
      target.apply(
        { kind: "insert", at: target.cells.length === 0 ? 0 : target.index + 1, cell: "md" },
        "edit",
      );
    },
  },
  {
    id: "delete",
    title: "Delete the cell",
    group: "Cells",
    keys: ["d d", "Delete"],
    scope: "cell",
    isAvailable: editable,
    run: (target) => {
      target.apply({ kind: "delete", id: target.cell!.id });
    },
  },
  {
    id: "duplicate",
    title: "Duplicate the cell",
    group: "Cells",
    keys: ["Shift-d"],
    scope: "cell",
    isAvailable: onCell,
    run: (target) => {
      target.apply({ kind: "duplicate", id: target.cell!.id });
    },
  },
  move(-1, "move-up", "Move the cell up", ["Alt-ArrowUp"]),
  move(1, "move-down", "Move the cell down", ["Alt-ArrowDown"]),
  {
    id: "split",
    title: "Split the cell at the caret",
    group: "Cells",
    keys: ["Mod-Alt-s", "Mod-_"],
    scope: "text",
    isAvailable: (target) => editable(target) && target.caret !== null,
    run: (target) => {
      target.apply({ kind: "split", id: target.cell!.id, at: target.caret! }, "edit");
    },
  },
  {
    id: "merge",
    title: "Merge with the cell below",
    group: "Cells",
    keys: ["Shift-m"],
    scope: "cell",
    isAvailable: (target) => editable(target) && target.cells[target.index + 1]?.kind === target.cell?.kind,
    run: (target) => {
      target.apply({ kind: "merge", id: target.cell!.id });
    },
  },
  {
    id: "fold",
    title: "Fold or unfold the code",
    group: "Cells",
    keys: ["f"],
    scope: "cell",
    isAvailable: (target) => onCell(target) && target.cell!.kind !== "md",
    run: (target) => {
      const { id, fold } = target.cell!;
      target.apply({ kind: "flag", id, flag: "fold", on: !fold });
      if (fold) target.unfold();
    },
  },
  toKind("md", "Make it text", ["m"]),
  toKind("code", "Make it code", ["y"]),
  toKind("test", "Make it a test", []),
  { ...panel("rename-cell", "Rename the cell", ["r"], "cell"), group: "Cells", isAvailable: editable },
  {
    id: "undo",
    title: "Undo",
    group: "Notebook",
    keys: ["Mod-z", "z"],
    scope: "page",
    isAvailable: (target) => target.canUndo,
    run: (target) => {
      target.undo();
    },
  },
  {
    id: "redo",
    title: "Redo",
    group: "Notebook",
    keys: ["Mod-Shift-z", "Mod-y", "Shift-z"],
    scope: "page",
    isAvailable: (target) => target.canRedo,
    run: (target) => {
      target.redo();
    },
  },
  {
    id: "run-and-advance",
    title: "Run and go on",
    group: "Run",
    keys: ["Shift-Enter"],
    scope: "cell",
    isAvailable: onCell,
    run: (target) => {
      target.runAndAdvance();
    },
  },
  {
    id: "run",
    title: "Run",
    group: "Run",
    keys: ["Mod-Enter"],
    scope: "cell",
    isAvailable: onCell,
    run: (target) => {
      target.run();
    },
  },
  {
    id: "run-all",
    title: "Run all cells",
    group: "Run",
    keys: [],
    scope: "page",
    run: (target) => {
      target.runAll();
    },
  },
  {
    id: "run-stale",
    title: "Run what is stale",
    group: "Run",
    keys: ["Mod-Shift-Enter"],
    scope: "text",
    isAvailable: ({ cells }) => cells.some(({ state }) => state.kind === "stale"),
    run: (target) => {
      target.runStale();
    },
  },
  {
    id: "stop",
    title: "Stop what runs",
    group: "Run",
    keys: ["i i"],
    scope: "cell",
    isAvailable: ({ cells }) => cells.some(isRunning),
    run: (target) => {
      target.stopAll();
    },
  },
  {
    id: "leave-runs",
    title: "Stop the cell, let its run go on",
    group: "Run",
    keys: [],
    scope: "cell",
    isAvailable: ({ cell }) =>
      cell?.state.kind === "running" && cell.outputs.some(({ view }) => view === "run"),
    run: (target) => {
      target.leaveRuns();
    },
  },
  {
    id: "show-running",
    title: "Go to the running cell",
    group: "Run",
    keys: ["g r"],
    scope: "cell",
    isAvailable: ({ cells }) => cells.some(isRunning),
    run: (target) => {
      target.showRunning();
    },
  },
  panel("palette", "Find a command or a cell", ["Mod-k", "Mod-Shift-p"], "text"),
  panel("find", "Find and replace", ["Mod-f"], "text"),
  panel("outline", "Outline", ["o"], "cell"),
  panel("variables", "Variables", ["v"], "cell"),
  panel("app", "Only what cells show, without code", ["p"], "cell"),
  {
    id: "dismiss",
    title: "Close the notice",
    group: "Look",
    keys: ["Escape"],
    scope: "page",
    isAvailable: ({ canDismiss }) => canDismiss,
    run: (target) => {
      target.dismiss();
    },
  },
  panel("library", "Notebooks: open or start one", ["Mod-o"], "text"),
  panel("share", "Share or save", ["Mod-s"], "text"),
  panel("history", "Earlier versions", ["h"], "cell"),
  panel("runs", "Runs of this notebook", ["u"], "cell"),
  panel("permissions", "What notebooks may do", [], "page"),
  panel("keys", "This sheet", ["?"]),
];

export const isRunning = ({ state }: CellView): boolean =>
  state.kind === "running" || state.kind === "queued";

/** The command that completed keys stand for here, the longest sequence first. */
export function commandFor(
  pressed: readonly string[],
  place: "cell" | "page" | "text",
  target: CommandTarget,
): Command | null {
  for (const keys of pressed) {
    for (const command of commands) {
      if (!command.keys.includes(keys)) continue;
      if (place === "text" && command.scope !== "text") continue;
      if (place === "page" && command.scope === "cell") continue;
      // A letter by itself is a command mode's key, and not one of the whole page.
      if (place === "page" && /^[a-z]$|^Shift-[a-z]$/.test(keys)) continue;
      if (command.isAvailable?.(target) ?? true) return command;
    }
  }
  return null;
}
