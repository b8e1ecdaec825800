import { html, type TemplateResult } from "lit";
import { FulguriteDialog } from "./dialog.ts";
import type { FulguriteNotebook } from "./notebook.ts";

/** `<fulgurite-rename-cell>`: another name for the active cell. */
export class FulguriteRenameCell extends FulguriteDialog {
  declare notebook: FulguriteNotebook;
  protected readonly heading = "Rename the cell";

  protected override content(): TemplateResult {
    const id = this.notebook.cell?.id ?? "";
    return html`<form
      @submit=${(event: SubmitEvent) => {
        event.preventDefault();
        const to = new FormData(event.target as HTMLFormElement).get("name") as string;
        this.close();
        if (to !== id) this.notebook.apply({ kind: "rename", id, to });
      }}
    >
      <p class="quiet">
        Its runs are kept under its name: under another one they are not shown here any more.
      </p>
      <div class="row">
        <input
          type="text"
          name="name"
          aria-label="Name"
          required
          autofocus
          pattern="[A-Za-z_][A-Za-z0-9_\\-]{0,63}"
          title="Letters, digits, - and _; a letter first"
          .value=${id}
        />
        <button class="primary">Rename</button>
      </div>
    </form>`;
  }
}

customElements.define("fulgurite-rename-cell", FulguriteRenameCell);

declare global {
  interface HTMLElementTagNameMap {
    "fulgurite-rename-cell": FulguriteRenameCell;
  }
}
