/** What a person has allowed one notebook. */
export interface Consent {
  /** "sha256:..." of a foreign notebook's text, "own:<id>" of one's own or of one that ships with the page. */
  readonly key: string;
  /** For the list of what was allowed. */
  readonly title: string;
  /** Where a foreign notebook came from: an address, a file name, "a link". */
  readonly from: string | null;
  /** Hosts that its cells may reach. */
  readonly hosts: readonly string[];
  /** Milliseconds since 1970 at which it was first given. */
  readonly since: number;
}

/** Where consents are kept. Taking one away takes effect in a session that is open by `session.withdraw()`. */
export interface ConsentStore {
  load(key: string): Promise<Consent | null>;
  save(consent: Consent): Promise<void>;
  remove(key: string): Promise<void>;
  /** All of them, newest first. */
  list(): Promise<readonly Consent[]>;
}

/** What a session says about what its notebook may do. */
export interface NotebookPermissions {
  /** Key of its consent; null until it is known, or where the browser cannot make one. */
  readonly key: string | null;
  /** "asking": it came from elsewhere and nothing of it runs; "allowed": its cells may run, in the sandbox. */
  readonly state: "asking" | "allowed";
  readonly from: string | null;
  /** What could not be taken along when it was read from another format, one sentence each. */
  readonly notes: readonly string[];
  /** Hosts that its cells may reach, sorted. */
  readonly hosts: readonly string[];
  /** Hosts that a cell tried to reach in this session without leave, sorted. */
  readonly refused: readonly string[];
}

const KEY = "fulgurite/consents/1";
const MAX_CONSENTS = 500;

/** Consents in a `Storage` such as `localStorage`. What cannot be read there counts as nothing allowed. */
export function consentsIn(storage: Pick<Storage, "getItem" | "setItem">): ConsentStore {
  const read = (): Consent[] => {
    try {
      const stored: unknown = JSON.parse(storage.getItem(KEY) ?? "[]");
      return Array.isArray(stored) ? stored.flatMap((one) => consentFrom(one) ?? []) : [];
    } catch {
      return [];
    }
  };
  const write = (consents: readonly Consent[]): void => {
    storage.setItem(KEY, JSON.stringify(consents.slice(0, MAX_CONSENTS)));
  };
  return {
    load: (key) => Promise.resolve(read().find((one) => one.key === key) ?? null),
    save: (consent) => {
      write([consent, ...read().filter(({ key }) => key !== consent.key)]);
      return Promise.resolve();
    },
    remove: (key) => {
      write(read().filter((one) => one.key !== key));
      return Promise.resolve();
    },
    list: () => Promise.resolve(read().sort((a, b) => b.since - a.since)),
  };
}

/** Consents that last as long as the page. */
export function memoryConsents(): ConsentStore {
  const values = new Map<string, string>();
  return consentsIn({
    getItem: (key) => values.get(key) ?? null,
    setItem: (key, value) => void values.set(key, value),
  });
}

/** Key of a foreign notebook's consent; null where the browser has no SHA-256 (plain http), and then it asks each time. */
export async function contentKey(text: string): Promise<string | null> {
  const subtle = (globalThis.crypto as Partial<Crypto> | undefined)?.subtle;
  if (!subtle) return null;
  const digest = await subtle.digest("SHA-256", new TextEncoder().encode(text));
  return `sha256:${Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

function consentFrom(value: unknown): Consent | null {
  if (typeof value !== "object" || value === null) return null;
  const { key, title, from, hosts, since } = value as Readonly<Record<string, unknown>>;
  const isHosts = Array.isArray(hosts) && hosts.every((host) => typeof host === "string");
  if (typeof key !== "string" || typeof since !== "number" || !isHosts) return null;
  return {
    key,
    title: String(title),
    from: typeof from === "string" ? from : null,
    hosts: hosts as string[],
    since,
  };
}
