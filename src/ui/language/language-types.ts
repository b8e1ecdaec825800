/** A cell as the language service knows it. */
export interface LanguageCell {
  readonly id: string;
  readonly source: string;
}

/** What of the notebook has changed since the last request. */
export interface CellChanges {
  readonly set: readonly LanguageCell[];
  readonly removed: readonly string[];
}

export interface Completion {
  readonly label: string;
  /** CodeMirror's name of its kind: "function", "variable", "type", "property", "keyword", ... */
  readonly type: string;
  /** From another cell: that cell's id. */
  readonly origin: string | null;
  /** Lower sorts first. */
  readonly rank: string;
}

export interface Completions {
  /** Characters of the cell at which the word begins. */
  readonly from: number;
  readonly options: readonly Completion[];
}

/** A declaration in short, and what its comment says. */
export interface Explanation {
  readonly from: number;
  readonly to: number;
  readonly signature: string;
  readonly documentation: string;
}

export interface Problem {
  readonly from: number;
  readonly to: number;
  readonly severity: "error" | "warning" | "info";
  readonly message: string;
}

export interface Place {
  readonly cell: string;
  readonly from: number;
  readonly to: number;
}

/** The worker's surface. Positions are characters in a cell's source. */
export interface LanguageApi {
  update(changes: CellChanges): Promise<void>;
  complete(cell: string, at: number): Promise<Completions | null>;
  describe(cell: string, at: number, name: string): Promise<Explanation | null>;
  hover(cell: string, at: number): Promise<Explanation | null>;
  diagnose(cell: string): Promise<readonly Problem[]>;
  /** Where the name at this place stands in all cells; null where it cannot be renamed. */
  renamePlaces(cell: string, at: number): Promise<readonly Place[] | null>;
  definition(cell: string, at: number): Promise<Place | null>;
}
