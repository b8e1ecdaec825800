import { readFile } from "node:fs/promises";
import type { Plugin } from "vite";

/** Shaders as they ship: without comments and indentation, which only their readers need. Builds only. */
export function leanShaders(): Plugin {
  return {
    name: "lean-shaders",
    apply: "build",
    enforce: "pre",
    async load(id) {
      const file = /^(.+\.wgsl)\?raw$/.exec(id)?.[1];
      if (file === undefined) return null;
      const lines = (await readFile(file, "utf8")).split("\n").map((line) => line.trim());
      const lean = lines.filter((line) => line !== "" && !line.startsWith("//")).join("\n");
      return `export default ${JSON.stringify(lean)};`;
    },
  };
}
