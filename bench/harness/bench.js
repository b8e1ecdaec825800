import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

// npm run bench and npm run profile: installs the peers where they are missing or out of date, then loads main.ts through Vite.
const bench = fileURLToPath(new URL("..", import.meta.url));
const flags = process.argv.slice(2);
const profile = flags[0] === "--profile";
const peers = !profile && !flags.includes("--no-peers");
const wanted = (path) => JSON.stringify(JSON.parse(readFileSync(path, "utf8")).dependencies);
const stamp = `${bench}node_modules/.package-lock.json`;
const missing = () => {
  if (!existsSync(stamp)) return true;
  const { packages } = JSON.parse(readFileSync(stamp, "utf8"));
  return Object.keys(JSON.parse(wanted(`${bench}package.json`))).some(
    (name) => !packages[`node_modules/${name}`],
  );
};
if (peers && missing()) {
  console.error("bench: installing the peers of bench/package.json");
  const { status } = spawnSync("npm", ["ci", "--no-audit", "--no-fund", "--ignore-scripts"], {
    cwd: bench,
    // Standard output is the report's alone.
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) console.error("bench: no peers could be installed; only our own figures follow");
}
const { createServer } = await import("vite");
const { serverConfig } = await import("./server.js");
const server = await createServer(serverConfig(bench));
const { main } = await server.ssrLoadModule(`/harness/${profile ? "profile" : "main"}.ts`);
try {
  process.exitCode = await main(server, profile ? flags.slice(1) : flags, peers && !missing());
} finally {
  await server.close();
}
// Dawn keeps Node alive.
process.exit();
