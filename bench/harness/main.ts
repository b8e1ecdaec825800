import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { cpus, platform, release, totalmem } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { ViteDevServer } from "vite";
import { toRow, type Bench, type Measurement, type Report, type Row } from "./bench.ts";
import { BenchBrowser } from "./browser.ts";
import { runInNode } from "./headless.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const usage = `npm run bench -- [name ...] [--json] [--no-peers] [--node] [--list]
  --json      one JSON object on standard output, nothing else
  --no-peers  our own figures alone
  --node      in Node and Dawn instead of Chromium (npm run bench:node)
  --list      names the benches`;

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

/** Runs the named benches, all where none is named; returns the exit code: 1 where one failed. */
export async function main(server: ViteDevServer, args: readonly string[], peers: boolean): Promise<number> {
  const flags = new Set(args.filter((arg) => arg.startsWith("--")));
  const unknown = [...flags].find((flag) => !["--json", "--no-peers", "--node", "--list"].includes(flag));
  const available = readdirSync(`${root}/bench`)
    .filter((file) => file.endsWith(".bench.ts"))
    .map((file) => basename(file, ".bench.ts"))
    .sort();
  const names = args.filter((arg) => !arg.startsWith("--"));
  const missing = names.find((name) => !available.includes(name));
  if (unknown !== undefined || missing !== undefined) {
    progress(unknown ? `bench: there is no option ${unknown}` : `bench: there is no bench "${missing}"`);
    progress(`${usage}\nBenches: ${available.join(", ")}`);
    return 2;
  }
  const benches: { readonly name: string; readonly bench: Bench }[] = [];
  for (const name of names.length > 0 ? names : available) {
    const module = (await server.ssrLoadModule(`/${name}.bench.ts`)) as { readonly default: Bench };
    benches.push({ name, bench: module.default });
  }
  if (flags.has("--list")) {
    for (const { name, bench } of benches) process.stdout.write(`${name.padEnd(16)} ${bench.about}\n`);
    return 0;
  }

  const rows: Row[] = [];
  const failed: string[] = [];
  const inNode = flags.has("--node");
  const browser = inNode ? null : await BenchBrowser.launch(server, progress);
  try {
    const adapter = browser ? await browser.adapter() : await runInNode.adapter();
    for (const { name, bench } of benches) {
      progress(`${name}: ${bench.about}`);
      const began = performance.now();
      try {
        const measurements: readonly Measurement[] =
          bench.where === "page"
            ? await (browser
                ? browser.run(name, bench, peers)
                : runInNode.run(bench, { peers, progress: (text) => progress(`  ${text}`) }))
            : browser
              ? await bench.run(browser.context(peers))
              : [];
        rows.push(...measurements.map((measurement) => toRow(name, measurement)));
      } catch (error) {
        failed.push(name);
        progress(`  failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
      for (const row of rows) if (row.bench === name) progress(`  ${describe(row)}`);
      progress(`  ${((performance.now() - began) / 1000).toFixed(0)} s`);
    }
    const report: Report = {
      adapter,
      engine: adapter === "none" ? "cpu" : "webgpu",
      machine: machine(inNode ? `Node ${process.versions.node}` : browser!.version),
      date: new Date().toISOString(),
      rows,
    };
    if (failed.length === 0) keep(report, names.length === 0 ? "all" : names.join("+"), inNode);
    if (flags.has("--json")) process.stdout.write(`${JSON.stringify(report)}\n`);
  } finally {
    await browser?.close();
  }
  return failed.length > 0 ? 1 : 0;
}

function describe({ metric, unit, value, peer, peerValue, ratio, engine, note }: Row): string {
  const ours = `${metric}${engine ? ` (${engine})` : ""}: ${value} ${unit}`;
  const theirs = peer === undefined ? "" : `, ${peer} ${peerValue} ${unit}: ${ratio}x`;
  return `${ours}${theirs}${note === undefined ? "" : ` [${note}]`}`;
}

function machine(host: string): string {
  const processors = cpus();
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${processors[0]?.model.trim() || "unknown processor"}, ${processors.length} threads, ${memory} GB, ${platform()} ${release()}, ${host}`;
}

/** The latest report of each set of benches stays in bench/results/, to be committed. */
function keep(report: Report, name: string, inNode: boolean): void {
  const directory = `${root}/bench/results`;
  mkdirSync(directory, { recursive: true });
  const software = /swiftshader|llvmpipe|none/i.test(report.adapter) ? "software" : "gpu";
  const file = `${directory}/bench-${name}-${software}${inNode ? "-node" : ""}.json`;
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  progress(`kept in bench/results/${basename(file)}`);
}
