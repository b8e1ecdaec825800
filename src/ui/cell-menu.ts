import type { CellKind } from "../notebook/session-types.ts";
import { commands, type CommandTarget } from "./commands.ts";
import { keyWords } from "./keys.ts";
import { openMenu, type MenuItem } from "./menu.ts";

const groups: readonly (readonly string[])[] = [
  ["run", "leave-runs", "edit", "fold", "rename-cell"],
  ["insert-above", "insert-below", "insert-text", "duplicate"],
  ["move-up", "move-down", "merge", "to-md", "to-code", "to-test"],
  ["delete"],
];

/** Opens the menu of the active cell beside a button of it. */
export function openCellMenu(opener: HTMLElement, kind: CellKind, target: CommandTarget): void {
  const items = groups.flatMap((ids) =>
    ids
      .map((id) => commands.find((command) => command.id === id)!)
      .filter(
        (command) => (command.isAvailable?.(target) ?? true) && !(kind === "md" && command.id === "run"),
      )
      .map((command, i): MenuItem => ({
        title: command.title.replace(/ \(.*\)$/, ""),
        keys: command.keys[0] === undefined ? "" : keyWords(command.keys[0]),
        separate: i === 0 && ids !== groups[0],
        choose: () => {
          command.run(target);
        },
      })),
  );
  openMenu(opener, "Cell", items);
}
