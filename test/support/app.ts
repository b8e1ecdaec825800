import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { keptBuild, root, type BuiltFolder } from "./kept-build.ts";

/** The app as `npm run build` makes it. */
export const buildApp = (): Promise<BuiltFolder> =>
  keptBuild("app", ["index.html", "vite.config.ts"], (directory) =>
    // In a process of its own: under vitest NODE_ENV is "test", and Lit would be built in its development mode.
    promisify(execFile)(
      process.execPath,
      [join(root, "node_modules/vite/bin/vite.js"), "build", "--outDir", directory, "--logLevel", "warn"],
      { cwd: root, env: { ...process.env, NODE_ENV: "production" } },
    ),
  );
