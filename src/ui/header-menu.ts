import { commands, type CommandTarget } from "./commands.ts";
import { keyWords } from "./keys.ts";
import { openMenu, type MenuItem } from "./menu.ts";
import type { Theme } from "./theme.ts";

const groups: readonly (readonly string[])[] = [
  ["palette", "find", "outline", "variables"],
  ["run-stale", "runs", "history", "permissions", "app"],
  ["undo", "redo"],
  ["keys"],
];

/** Opens the menu of the whole page. */
export function openHeaderMenu(
  opener: HTMLElement,
  target: CommandTarget,
  theme: Theme,
  changeTheme: () => void,
): void {
  const items = groups.flatMap((ids, group) =>
    ids
      .map((id) => commands.find((command) => command.id === id)!)
      .filter((command) => command.isAvailable?.(target) ?? true)
      .map((command, i): MenuItem => ({
        title: command.id === "keys" ? "Keys" : command.title,
        keys: command.keys[0] === undefined ? "" : keyWords(command.keys[0]),
        separate: i === 0 && group > 0,
        choose: () => {
          command.run(target);
        },
      })),
  );
  openMenu(opener, "More", [
    ...items,
    { title: `Theme: ${theme}`, keys: "", separate: true, choose: changeTheme },
  ]);
}
