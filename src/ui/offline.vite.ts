import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import type { Plugin } from "vite";

/** Files of the public folder that the page needs without a network. */
const PUBLIC = ["icon.svg", "kernel.html", "runner.html", "manifest.webmanifest"];
/** Large, and not needed to open a notebook and run it: kept once the page has time, and without waiting for them. */
const LATER = /^(?:standalone\.js$|assets\/(?:language\.worker|declarations)-)/;

/**
 * Writes `sw.js`: a service worker that keeps the build's files, so that the page opens without a network after its
 * first visit. Every build has its own cache, named by a hash of what is in it.
 */
export function offlineWorker(): Plugin {
  return {
    name: "fulgurite-offline",
    apply: "build",
    enforce: "post",
    async generateBundle(_, bundle) {
      const files = Object.values(bundle).map((file) => ({
        name: file.fileName,
        size: Buffer.byteLength(file.type === "chunk" ? file.code : file.source),
      }));
      const names = [...PUBLIC, ...files.map(({ name }) => name)].filter(
        (name, i, all) => !name.endsWith(".map") && name !== "index.html" && all.indexOf(name) === i,
      );
      const later = names.filter((name) => LATER.test(name)).sort();
      const early = ["./", ...names.filter((name) => !LATER.test(name))].sort();
      const hash = createHash("sha256").update(files.map(({ name, size }) => `${name} ${size}`).join("\n"));
      const template = await readFile(fileURLToPath(new URL("./offline-worker.js", import.meta.url)), "utf8");
      const source = template
        .replace('"__VERSION__"', JSON.stringify(hash.digest("hex").slice(0, 16)))
        .replace('"__FILES__"', JSON.stringify(early))
        .replace('"__LATER__"', JSON.stringify(later));
      this.emitFile({ type: "asset", fileName: "sw.js", source });
    },
  };
}
