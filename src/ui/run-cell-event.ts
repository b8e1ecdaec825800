/** A run asks for another of its own cell, or for one of the cell that it names. */
export class RunCellEvent extends Event {
  readonly cell: string | null;
  constructor(cell: string | null = null) {
    super("fulgurite-run-cell", { bubbles: true, composed: true });
    this.cell = cell;
  }
}

declare global {
  interface HTMLElementEventMap {
    "fulgurite-run-cell": RunCellEvent;
  }
}
