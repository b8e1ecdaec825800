interface SharedEdit {
  readonly id: string;
  readonly text: string;
}

/** Tells the other tabs of this browser what a notebook's text has become, so that they do not save an older one over it. */
export class SharedEdits {
  readonly #channel = new BroadcastChannel("fulgurite-edits");

  /** `heard` is called with what another tab has saved. */
  constructor(heard: (id: string, text: string) => void) {
    this.#channel.onmessage = ({ data }: MessageEvent<SharedEdit>) => {
      heard(data.id, data.text);
    };
  }

  tell(id: string, text: string): void {
    this.#channel.postMessage({ id, text } satisfies SharedEdit);
  }
}
