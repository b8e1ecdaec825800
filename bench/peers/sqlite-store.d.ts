import type { Contestant } from "../work/store-contestant.ts";

/** SQLite's own WebAssembly build over the synchronous access handles of OPFS (its "opfs-sahpool" file system). */
export function makeSqliteStore(moduleUrl: string): Promise<Contestant>;
