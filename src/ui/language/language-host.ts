import type { LanguageCell, Place } from "./language-types.ts";

/** What the language service needs of the notebook around an editor. */
export interface LanguageHost {
  /** Its code cells, as the session has them. */
  readonly cells: readonly LanguageCell[];
  /** Puts a new name in these places of the cells, as one step. */
  rename(places: readonly Place[], name: string): void;
  /** Shows a place. */
  reveal(place: Place): void;
}

/** A text that is being edited asks for the notebook around it; whoever is it answers at once. */
export class LanguageHostEvent extends Event {
  host: LanguageHost | null = null;
  constructor() {
    super("fulgurite-language-host", { bubbles: true, composed: true });
  }
}
