import { join } from "node:path";
import { build, type Plugin } from "vite";
import { kernelBundle } from "../../src/notebook/kernel-bundle.vite.ts";
import { shippedPackageFiles } from "../../src/notebook/packages.vite.ts";
import { keptBuild, root } from "../support/kept-build.ts";
import { serveStatic } from "../support/static-server.ts";

/** The language worker is large, and tested with the app itself. */
const withoutLanguage: Plugin = {
  name: "without-language",
  enforce: "pre",
  resolveId: (id) => (id.endsWith("/language-editor.ts") ? "\0without-language" : undefined),
  load: (id) => (id === "\0without-language" ? "export const languageSupport = () => [];" : undefined),
};

/** Builds and serves the gallery; `url` takes `?scenario=`. */
export async function openGallery(): Promise<{ readonly url: string; close(): Promise<void> }> {
  const built = await keptBuild("gallery", ["test/ui"], (directory) =>
    build({
      root,
      configFile: false,
      base: "./",
      publicDir: join(root, "public"),
      plugins: [kernelBundle(), shippedPackageFiles(), withoutLanguage],
      logLevel: "warn",
      build: {
        target: "es2023",
        outDir: directory,
        emptyOutDir: true,
        rolldownOptions: { input: [join(root, "test/ui/gallery.html"), join(root, "kernel.html")] },
      },
    }),
  );
  const server = await serveStatic(built.directory);
  return {
    url: `${server.url}test/ui/gallery.html`,
    async close() {
      await server.close();
      await built.dispose();
    },
  };
}
