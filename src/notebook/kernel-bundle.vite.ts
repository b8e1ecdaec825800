import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { build, type Plugin } from "vite";
import { leanShaders } from "../gpu/lean-shaders.vite.ts";

const VIRTUAL = "virtual:fulgurite-kernel";
const RESOLVED = `\0${VIRTUAL}`;
const DEV_SCRIPT = "/@fulgurite-kernel.js";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Bundles the notebook's kernel into one classic script and gives its address to whoever imports
 * `virtual:fulgurite-kernel`: an asset of the build, a route of the development server. The page fetches it as
 * text and hands it to the sandbox, which cannot fetch anything.
 */
export function kernelBundle(): Plugin {
  let serves = false;
  return {
    name: "fulgurite-kernel-bundle",
    configResolved(config) {
      serves = config.command === "serve";
    },
    resolveId(id) {
      return id === VIRTUAL ? RESOLVED : undefined;
    },
    async load(id) {
      if (id !== RESOLVED) return undefined;
      if (serves) return `export default ${JSON.stringify(DEV_SCRIPT)};`;
      const asset = this.emitFile({ type: "asset", name: "kernel.js", source: await bundleKernel(true) });
      return `export default import.meta.ROLLUP_FILE_URL_${asset};`;
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = request.url?.split("?")[0];
        if (path === DEV_SCRIPT) {
          bundleKernel(false).then((script) => {
            response.setHeader("content-type", "text/javascript").end(script);
          }, next);
        } else if (path === "/kernel.html") {
          // As it is: the server's own client script has no business in there.
          readFile(here("../../kernel.html")).then((page) => {
            response.setHeader("content-type", "text/html").end(page);
          }, next);
        } else {
          next();
        }
      });
    },
  };
}

/** The kernel's script. */
export const bundleKernel = (minify: boolean): Promise<string> =>
  bundleClassic(here("kernel-worker.ts"), [], minify);

/** A module and all that it needs, also by `import()`, as one classic script. */
export async function bundleClassic(entry: string, plugins: Plugin[] = [], minify = true): Promise<string> {
  const result = await build({
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    plugins: [leanShaders(), ...plugins],
    build: {
      target: "es2023",
      write: false,
      minify,
      rolldownOptions: {
        input: entry,
        output: { format: "iife", codeSplitting: false },
        // A classic script has no address of its own, and asks for none: everything is inside it.
        onLog: (level, log, handler) => {
          if (log.code !== "EMPTY_IMPORT_META") handler(level, log);
        },
      },
    },
  });
  const outputs = Array.isArray(result)
    ? result.flatMap(({ output }) => output)
    : "output" in result
      ? result.output
      : [];
  const chunks = outputs.filter((output) => output.type === "chunk");
  if (chunks.length !== 1) throw new Error(`${entry} became ${chunks.length} scripts`);
  return chunks[0]!.code;
}
