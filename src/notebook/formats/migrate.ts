import { FulguriteError } from "../../gpu/error.ts";

/** The version of the format that this page reads and writes. */
export const CURRENT_VERSION = 1;

/** From the version that is the key to the next one. */
export type Migrations = Readonly<Record<number, (text: string) => string>>;

/** Version 0 is the percent format without a header, as Jupytext and VS Code know it: `// %% [markdown] Title`. */
const migrations: Migrations = {
  0: (text) => {
    let count = 0;
    const body = text.replace(/^\uFEFF/, "").replace(/^\/\/ ?%%.*$/gm, (marker) => {
      count++;
      const kind = /\[(?:md|markdown)\]/.test(marker) ? "[md] " : "";
      return `// %% ${kind}cell-${count}`;
    });
    // Lines of `// text` under a markdown marker are its text.
    const blocks = body.split(/^(?=\/\/ %% )/m).map((block) => {
      const [marker = "", ...lines] = block.split("\n");
      if (!marker.includes("[md]") || lines.join("").trimStart().startsWith("/*")) return block;
      const prose = lines
        .map((line) => line.replace(/^\/\/ ?/, ""))
        .join("\n")
        .trim();
      return `${marker}\n/*\n${prose.replaceAll("*/", "* /")}\n*/\n\n`;
    });
    const first = blocks[0]?.startsWith("// %% ") === true ? "" : (blocks.shift() ?? "");
    const loose = first.trim() === "" ? "" : `// %% cell-0\n${first.trim()}\n\n`;
    return `// fulgurite: 1\n\n${loose}${blocks.join("")}`;
  },
};

/** The version that a text says it is of; 0 for a script with `// %%` markers and no header, null for neither. */
export function versionOf(text: string): number | null {
  const header = /^\uFEFF?\/\/ fulgurite: (\d{1,6})[ \t]*(?:\r?\n|$)/.exec(text);
  if (header) return Number(header[1]);
  return /^\/\/ ?%%/m.test(text) ? 0 : null;
}

/**
 * The text in the present version, through every version between. A text that is no notebook, or of a version
 * that is newer than this page, is given back as it is: `parseDocument` says what is wrong with it.
 */
export function migrate(text: string, steps: Migrations = migrations, current = CURRENT_VERSION): string {
  let version = versionOf(text);
  let migrated = text;
  while (version !== null && version < current) {
    const step = steps[version];
    if (!step) {
      throw new FulguriteError(
        "notebook/version",
        `A notebook of version ${version} cannot be read any more.`,
        "Open it with an older Fulgurite and save it there.",
        { line: 1 },
      );
    }
    migrated = step(migrated);
    const next = versionOf(migrated);
    if (next !== version + 1) throw new Error(`the migration from ${version} gave version ${next}`);
    version = next;
  }
  return migrated;
}
