import {
  contentKey,
  memoryConsents,
  type Consent,
  type ConsentStore,
  type NotebookPermissions,
} from "./consent.ts";

export interface ForeignNotebook {
  /** Where it came from, as a person would say it: an address, a file's name, "a link". */
  readonly from: string;
  /** The text as it came, where the notebook was opened from a draft of it; default the notebook's text. */
  readonly original?: string;
  /** What of it could not be taken along, one sentence each. */
  readonly notes?: readonly string[];
}

export interface PermissionOptions {
  readonly id: string;
  readonly text: string;
  readonly title: () => string;
  readonly foreign: ForeignNotebook | null;
  readonly consents: ConsentStore | undefined;
  readonly onChange: () => void;
}

/** What one open notebook may do, and the keeping of it. */
export class Permissions {
  /** Resolves once what was allowed before is known. */
  readonly ready: Promise<void>;
  readonly #options: PermissionOptions;
  readonly #store: ConsentStore;
  readonly #refused = new Set<string>();
  readonly #hosts = new Set<string>();
  #key: string | null = null;
  #since = 0;
  #allowed: boolean;

  constructor(options: PermissionOptions) {
    this.#options = options;
    this.#store = options.consents ?? memoryConsents();
    this.#allowed = options.foreign === null;
    this.ready = this.#load().catch(() => undefined);
  }

  /** Whether cells may run at all. */
  get allowed(): boolean {
    return this.#allowed;
  }

  get view(): NotebookPermissions {
    return {
      key: this.#key,
      state: this.#allowed ? "allowed" : "asking",
      from: this.#options.foreign?.from ?? null,
      notes: this.#options.foreign?.notes ?? [],
      hosts: [...this.#hosts].sort(),
      refused: [...this.#refused].sort(),
    };
  }

  isGranted(host: string): boolean {
    return this.#allowed && this.#hosts.has(host);
  }

  refuse(host: string): void {
    if (this.#refused.size >= 20 || this.#refused.has(host)) return;
    this.#refused.add(host);
    this.#options.onChange();
  }

  async allow(hosts: readonly string[]): Promise<void> {
    this.#allowed = true;
    for (const host of hosts) this.#add(host);
    await this.#save();
  }

  async grant(host: string): Promise<void> {
    this.#add(host);
    await this.#save();
  }

  async revoke(host: string): Promise<void> {
    this.#hosts.delete(host);
    await this.#save();
  }

  async withdraw(): Promise<void> {
    this.#allowed = this.#options.foreign === null;
    this.#hosts.clear();
    this.#refused.clear();
    this.#options.onChange();
    await this.ready;
    if (this.#key !== null) await this.#store.remove(this.#key);
  }

  #add(host: string): void {
    this.#hosts.add(host.toLowerCase());
    this.#refused.delete(host.toLowerCase());
  }

  async #load(): Promise<void> {
    const { id, text, foreign } = this.#options;
    this.#key = foreign ? await contentKey(foreign.original ?? text) : `own:${id}`;
    if (this.#key === null) return;
    const kept = await this.#store.load(this.#key);
    if (!kept) return;
    this.#since = kept.since;
    this.#allowed = true;
    for (const host of kept.hosts) this.#hosts.add(host);
    this.#options.onChange();
  }

  async #save(): Promise<void> {
    this.#options.onChange();
    await this.ready;
    if (this.#key === null || !this.#allowed) return;
    this.#since ||= Date.now();
    const consent: Consent = {
      key: this.#key,
      title: this.#options.title(),
      from: this.#options.foreign?.from ?? null,
      hosts: [...this.#hosts].sort(),
      since: this.#since,
    };
    await this.#store.save(consent);
  }
}
