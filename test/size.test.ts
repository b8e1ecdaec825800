import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build, type Rolldown } from "vite";
import { expect, test } from "vitest";
import { leanShaders } from "../src/gpu/lean-shaders.vite.ts";

const source = (path: string): string => fileURLToPath(new URL(`../src/${path}`, import.meta.url));

/** The core of the library: both engines, their algorithms and kernels, CartPole. Whoever compiles rewards loads more. */
const core = `
export { openGpuDevice } from "${source("gpu/device.ts")}";
export { createWebGpuEngine } from "${source("rl/webgpu-engine.ts")}";
export { createCpuEngine } from "${source("rl/cpu-engine.ts")}";
export { ppo } from "${source("rl/ppo.ts")}";
export { cartPole } from "${source("env/cartpole.ts")}";
`;

test("the core of the library is at most 60 kB, gzipped, without the compiler", async () => {
  const directory = mkdtempSync(join(tmpdir(), "fulgurite-core-"));
  const entry = join(directory, "core.ts");
  writeFileSync(entry, core);
  const [result] = (await build({
    configFile: false,
    logLevel: "error",
    plugins: [leanShaders()],
    build: {
      write: false,
      target: "es2023",
      minify: true,
      lib: { entry, formats: ["es"], fileName: "core" },
    },
  })) as Rolldown.RolldownOutput[];
  rmSync(directory, { recursive: true });
  const chunks = result!.output.filter((part) => part.type === "chunk");
  expect(chunks.flatMap(({ moduleIds }) => moduleIds).filter((id) => /acorn|sucrase/.test(id))).toEqual([]);
  const bytes = chunks.reduce((sum, { code }) => sum + gzipSync(code, { level: 9 }).length, 0);
  expect(bytes).toBeGreaterThan(10_000);
  expect(bytes).toBeLessThanOrEqual(60_000);
});
