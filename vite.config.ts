import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { kernelBundle } from "./src/notebook/kernel-bundle.vite.ts";
import { packedPackages, shippedPackageFiles } from "./src/notebook/packages.vite.ts";
import { standaloneBundle } from "./src/notebook/standalone.vite.ts";
import { leanMarkdown } from "./src/ui/lean-markdown.vite.ts";
import { offlineWorker } from "./src/ui/offline.vite.ts";
import { languageDeclarations } from "./src/ui/language/declarations.vite.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/**
 * Modes: the default builds the app into dist/; `lib` builds the library and the command line into
 * dist/lib; `proof` makes vitest run the long proofs (`*.proof.ts`) instead of the tests.
 */
export default defineConfig(({ mode }) => ({
  base: "./",
  plugins:
    mode === "lib"
      ? [standaloneBundle(), packedPackages()]
      : [
          leanMarkdown(),
          kernelBundle(),
          shippedPackageFiles(),
          languageDeclarations(),
          offlineWorker(),
          standaloneBundle(),
        ],
  publicDir: mode === "lib" ? false : "public",
  resolve: { alias: { fulgurite: here("src/index.ts") } },
  worker: { format: "es" as const },
  build:
    mode === "lib"
      ? {
          target: "es2023",
          outDir: "dist/lib",
          emptyOutDir: true,
          minify: false,
          lib: {
            entry: { index: here("src/index.ts"), cli: here("src/cli/main.ts") },
            formats: ["es" as const],
          },
          rolldownOptions: { external: [/^node:/, "webgpu", "playwright-core"] },
        }
      : {
          target: "es2023",
          rolldownOptions: { input: [here("index.html"), here("kernel.html")] },
        },
  test: {
    include: mode === "proof" ? ["test/**/*.proof.ts"] : ["src/**/*.test.ts", "test/**/*.test.ts"],
    testTimeout: mode === "proof" ? 3_600_000 : 60_000,
    hookTimeout: 120_000,
    // Two cores: browsers and Dawn in several files at once only slow each other down.
    fileParallelism: false,
  },
}));
