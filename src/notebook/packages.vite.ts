import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { gzipSync } from "node:zlib";
import { build, type Plugin } from "vite";
import { packageFile, shippedPackages } from "../runner/packages.ts";

const VIRTUAL = "virtual:fulgurite-packages";
const RESOLVED = `\0${VIRTUAL}`;
const DEV_ROUTE = "/@fulgurite-packages/";
const ENTRY = "\0fulgurite-package";
const BYTES = "\0fulgurite-bytes";

const require = createRequire(import.meta.url);

/** Packages that need more than their own name: the file that they would fetch, they carry. */
const entries: Readonly<Record<string, { readonly file: string; readonly text: string }>> = {
  "sql.js": {
    file: "sql.js/dist/sql-wasm-browser.wasm",
    text: `
    import init from "sql.js/dist/sql-wasm-browser.js";
    import wasmBinary from "${BYTES}";
    export default (options) => init({ wasmBinary, ...options });`,
  },
};

/** A shipped package, as the body of a function of `module` and `exports`. */
export async function bundlePackage(name: string, minify: boolean): Promise<string> {
  const entry = entries[name];
  const result = await build({
    configFile: false,
    logLevel: "warn",
    publicDir: false,
    plugins: [
      {
        name: "fulgurite-package-entry",
        resolveId: (id) => (id === ENTRY || id === BYTES ? id : undefined),
        async load(id) {
          if (id === ENTRY) return entry?.text ?? `export * from ${JSON.stringify(name)};`;
          if (id !== BYTES || !entry) return undefined;
          const bytes = await readFile(require.resolve(entry.file));
          return `export default Uint8Array.from(atob("${bytes.toString("base64")}"), (sign) => sign.charCodeAt(0));`;
        },
      },
    ],
    build: {
      target: "es2023",
      write: false,
      minify,
      rolldownOptions: {
        input: ENTRY,
        output: { format: "cjs", exports: "named", codeSplitting: false },
        preserveEntrySignatures: "strict",
      },
    },
  });
  const [made] = Array.isArray(result) ? result : "output" in result ? [result] : [];
  const chunks = made?.output.filter((output) => output.type === "chunk") ?? [];
  if (chunks.length !== 1) throw new Error(`the package ${name} became ${chunks.length} scripts`);
  return chunks[0]!.code;
}

/**
 * Builds the packages that ship for import. `virtual:fulgurite-packages` gives their addresses by name; beside the
 * command line they lie in `packages/`, packed as a single HTML file carries them.
 */
export function shippedPackageFiles(): Plugin {
  let serves = false;
  return {
    name: "fulgurite-packages",
    configResolved(config) {
      serves = config.command === "serve";
    },
    resolveId(id) {
      return id === VIRTUAL ? RESOLVED : undefined;
    },
    async load(id) {
      if (id !== RESOLVED) return undefined;
      const addresses = await Promise.all(
        shippedPackages.map(async (name) => {
          const key = JSON.stringify(name);
          if (serves) return `${key}: ${JSON.stringify(DEV_ROUTE + packageFile(name))}`;
          const asset = this.emitFile({
            type: "asset",
            name: packageFile(name),
            source: await bundlePackage(name, true),
          });
          return `${key}: import.meta.ROLLUP_FILE_URL_${asset}`;
        }),
      );
      return `export default { ${addresses.join(", ")} };`;
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = request.url?.split("?")[0] ?? "";
        const name = shippedPackages.find((one) => path === DEV_ROUTE + packageFile(one));
        if (!name) {
          next();
          return;
        }
        bundlePackage(name, false).then((script) => {
          response.setHeader("content-type", "text/javascript").end(script);
        }, next);
      });
    },
  };
}

/** For the command line: each package's text, packed (gzip), in `packages/`. */
export function packedPackages(): Plugin {
  return {
    name: "fulgurite-packed-packages",
    apply: "build",
    async generateBundle() {
      for (const name of shippedPackages) {
        const source = gzipSync(await bundlePackage(name, true), { level: 9 });
        this.emitFile({ type: "asset", fileName: `packages/${packageFile(name)}.gz`, source });
      }
    },
  };
}
