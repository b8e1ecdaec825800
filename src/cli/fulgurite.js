#!/usr/bin/env node
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const built = new URL("../../dist/lib/cli.js", import.meta.url);
if (!existsSync(fileURLToPath(built))) {
  console.error("fulgurite: the command line is not built yet. Run `npm run build` first.");
  process.exit(1);
}
// Whoever reads has enough: "| head" is no failure.
process.stdout.on("error", (error) => {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
});
const { main } = await import(built.href);
process.exitCode = await main(process.argv.slice(2));
