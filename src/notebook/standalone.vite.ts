import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Plugin } from "vite";
import { bundleClassic, bundleKernel } from "./kernel-bundle.vite.ts";

const PARTS = "virtual:fulgurite-parts";
const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Makes `standalone.js` beside the page: the reader of a single HTML file as one classic script, with the kernel,
 * the trainer and the two frames' pages inside it as text. From `file://` nothing else starts.
 */
export function standaloneBundle(): Plugin {
  return {
    name: "fulgurite-standalone-bundle",
    apply: "build",
    async generateBundle() {
      this.emitFile({ type: "asset", fileName: "standalone.js", source: await bundleStandalone() });
    },
  };
}

export async function bundleStandalone(): Promise<string> {
  const parts = {
    kernel: await bundleKernel(true),
    trainer: await bundleClassic(here("../worker/trainer.worker.ts")),
    kernelPage: await readFile(here("../../kernel.html"), "utf8"),
    runnerPage: await readFile(here("../../public/runner.html"), "utf8"),
  };
  const script = await bundleClassic(here("../ui/standalone.ts"), [
    {
      name: "fulgurite-standalone-parts",
      resolveId: (id) => (id === PARTS ? `\0${PARTS}` : undefined),
      load: (id) => (id === `\0${PARTS}` ? `export default ${JSON.stringify(parts)};` : undefined),
    },
  ]);
  // Packed: as plain text it alone takes 4 MB, and a file may take 3.
  return `(async () => {
  const bytes = Uint8Array.from(atob("${gzipSync(script, { level: 9 }).toString("base64")}"), (sign) => sign.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = document.createElement("script");
  script.textContent = await new Response(unpacked).text();
  document.head.append(script);
})();
`;
}
