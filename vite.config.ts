import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { leanShaders } from "./src/gpu/lean-shaders.vite.ts";
import { kernelBundle } from "./src/notebook/kernel-bundle.vite.ts";
import { packedPackages, shippedPackageFiles } from "./src/notebook/packages.vite.ts";
import { standaloneBundle } from "./src/notebook/standalone.vite.ts";
import { leanMarkdown } from "./src/ui/lean-markdown.vite.ts";
import { offlineWorker } from "./src/ui/offline.vite.ts";
import { languageDeclarations } from "./src/ui/language/declarations.vite.ts";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Tests that need no browser, no GPU and nothing else that there is once: they run beside each other, on all cores. */
const processorTests = [
  "src/**/*.test.ts",
  "test/{cartpole,declarations,import-fuzz,layering,lm-copy,size,strings,text-to-sql}.test.ts",
  "test/notebook/{oracle,shipped,strings}.test.ts",
  "test/store/{faults,folder-damage}.test.ts",
];

/** Tests that hold something to the clock: one after the other, beside nothing else. */
const clockTests = ["test/notebook/sandbox.test.ts", "test/runner/frames.test.ts"];

/**
 * Modes: the default builds the app into dist/; `lib` builds the library and the command line into
 * dist/lib; `proof` makes vitest run the long proofs (`*.proof.ts`) instead of the tests.
 */
export default defineConfig(({ mode }) => ({
  base: "./",
  plugins:
    mode === "lib"
      ? [leanShaders(), standaloneBundle(), packedPackages()]
      : [
          leanMarkdown(),
          leanShaders(),
          kernelBundle(),
          shippedPackageFiles(),
          languageDeclarations(),
          offlineWorker(),
          standaloneBundle(),
        ],
  publicDir: mode === "lib" ? false : "public",
  resolve: { alias: { fulgurite: here("src/index.ts") } },
  worker: { format: "es" as const, plugins: () => [leanShaders()] },
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
  test:
    mode === "proof"
      ? {
          include: ["test/**/*.proof.ts"],
          testTimeout: 3_600_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        }
      : {
          projects: [
            {
              extends: true as const,
              // By itself Vitest leaves a core free: of two, one.
              test: { name: "processor", include: [...processorTests], isolate: false, maxWorkers: "100%" },
            },
            {
              extends: true as const,
              // One at a time: two on two cores save four minutes, and each time another test ran out of its own.
              test: {
                name: "machine",
                include: ["test/**/*.test.ts"],
                exclude: [...processorTests, ...clockTests],
                maxWorkers: 1,
                // A browser on a busy machine runs out of its time now and then; what is wrong fails twice, and is named.
                retry: 1,
                sequence: { groupOrder: 1 },
              },
            },
            {
              extends: true as const,
              test: { name: "clock", include: [...clockTests], maxWorkers: 1, sequence: { groupOrder: 2 } },
            },
          ],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          expect: { poll: { timeout: 15_000 } },
        },
}));
