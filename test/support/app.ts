import { execFile } from "node:child_process";
import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

export interface BuiltApp {
  readonly directory: string;
  dispose(): Promise<void>;
}

/** The app as `npm run build` makes it, in a temporary folder. */
export async function buildApp(): Promise<BuiltApp> {
  const directory = mkdtempSync(join(tmpdir(), "fulgurite-app-"));
  const root = fileURLToPath(new URL("../..", import.meta.url));
  // In a process of its own: under vitest NODE_ENV is "test", and Lit would be built in its development mode.
  await promisify(execFile)(
    process.execPath,
    [join(root, "node_modules/vite/bin/vite.js"), "build", "--outDir", directory, "--logLevel", "warn"],
    { cwd: root, env: { ...process.env, NODE_ENV: "production" } },
  );
  return { directory, dispose: () => rm(directory, { recursive: true, force: true }) };
}
