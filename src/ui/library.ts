import type { Consent } from "../notebook/consent.ts";

/** A notebook that can be opened. */
export interface NotebookEntry {
  readonly id: string;
  readonly title: string;
  /** "shipped": comes with the page. "own": the person's, kept in this browser. */
  readonly kind: "shipped" | "own";
  /** When it was last changed, milliseconds since the epoch; null where it is as it came. */
  readonly updatedAt: number | null;
  /** Where an own one came from: an address, a file's name; null for one's own work. */
  readonly origin: string | null;
}

/** An earlier state of the open notebook. */
export interface Version {
  readonly text: string;
  readonly savedAt: number;
}

/** The notebooks of this browser, as the page's panels see them. */
export interface Library {
  /** Id of the notebook on the page. */
  readonly current: string;
  readonly shipped: readonly NotebookEntry[];
  /** Rejects where this browser's storage cannot be read. */
  own(): Promise<readonly NotebookEntry[]>;
  /** The address that opens a notebook, relative to the page. */
  href(id: string): string;
  /** Keeps a text as a notebook of one's own and opens it. Throws where it is not a notebook. */
  create(text: string, origin: string | null): Promise<void>;
  /** Reads a file of any format that we know. */
  openFile(file: File): Promise<void>;
  /** Fetches a notebook and opens it as one from elsewhere. */
  openAddress(url: string): Promise<void>;
  remove(id: string): Promise<void>;
  /** What notebooks were allowed in this browser, newest first. */
  consents(): Promise<readonly Consent[]>;
  /** Takes a consent back; a notebook that is open under it ends at once. */
  forget(key: string): Promise<void>;
  /** Newest first. */
  versions(): Promise<readonly Version[]>;
  /** The text as it came, where the open notebook is not wholly one's own. */
  readonly original: string | null;
}
