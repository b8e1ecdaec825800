import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "vite";

export interface BuiltApp {
  readonly directory: string;
  dispose(): Promise<void>;
}

/** The app as `npm run build` makes it, in a temporary folder. */
export async function buildApp(): Promise<BuiltApp> {
  const directory = mkdtempSync(join(tmpdir(), "fulgurite-app-"));
  const root = fileURLToPath(new URL("../..", import.meta.url));
  await build({
    root,
    configFile: join(root, "vite.config.ts"),
    logLevel: "warn",
    build: { outDir: directory, emptyOutDir: true },
  });
  return { directory, dispose: () => rm(directory, { recursive: true, force: true }) };
}
