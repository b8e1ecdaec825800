import { test } from "vitest";
import { engineGoldens } from "../../test/support/token-goldens.ts";
import { createCpuLanguageEngine } from "./cpu-language-engine.ts";

test.each(engineGoldens)("the CPU engine: %s", async (_, check) => {
  await check((shape) => createCpuLanguageEngine(shape, { seed: 1 }));
});
