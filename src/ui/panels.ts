import type { Panel } from "./commands.ts";
import type { FulguriteNotebook } from "./notebook.ts";

/** Opens a panel or a dialog of the page, or closes the one of its kind; each is loaded when it is first asked for. */
export async function openPanel(what: Exclude<Panel, "app">, notebook: FulguriteNotebook): Promise<void> {
  switch (what) {
    case "palette": {
      await import("./palette.ts");
      const palette = document.createElement("fulgurite-palette");
      palette.notebook = notebook;
      return palette.show();
    }
    case "keys":
      await import("./keyboard-sheet.ts");
      return document.createElement("fulgurite-keyboard-sheet").show();
    case "find": {
      await import("./find-bar.ts");
      let find = document.querySelector("fulgurite-find");
      if (!find) {
        find = document.createElement("fulgurite-find");
        find.notebook = notebook;
        document.body.append(find);
        await find.updateComplete;
      }
      find.focus();
      return;
    }
    case "outline":
    case "variables": {
      await import("./side-panel.ts");
      let side = document.querySelector("fulgurite-side");
      if (side?.view === what) {
        side.close();
        return;
      }
      side ??= document.createElement("fulgurite-side");
      side.notebook = notebook;
      side.view = what;
      document.body.append(side);
      await side.updateComplete;
      side.focus();
      return;
    }
    case "rename-cell": {
      await import("./rename-cell.ts");
      const dialog = document.createElement("fulgurite-rename-cell");
      dialog.notebook = notebook;
      return dialog.show();
    }
    case "library": {
      if (!notebook.library) return;
      await import("./library-dialog.ts");
      const dialog = document.createElement("fulgurite-library");
      dialog.library = notebook.library;
      return dialog.show();
    }
    case "share": {
      await import("./share-dialog.ts");
      const dialog = document.createElement("fulgurite-share");
      dialog.notebook = notebook;
      return dialog.show();
    }
    case "history": {
      await import("./history-dialog.ts");
      const dialog = document.createElement("fulgurite-history");
      dialog.notebook = notebook;
      return dialog.show();
    }
    case "permissions": {
      await import("./permissions-dialog.ts");
      const dialog = document.createElement("fulgurite-permissions");
      dialog.notebook = notebook;
      return dialog.show();
    }
    case "runs": {
      await import("./runs-dialog.ts");
      const dialog = document.createElement("fulgurite-runs");
      dialog.notebook = notebook;
      return dialog.show();
    }
  }
}
