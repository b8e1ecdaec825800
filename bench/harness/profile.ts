import type { ViteDevServer } from "vite";
import { BenchBrowser } from "./browser.ts";
import { runInNode } from "./headless.ts";
import { profiles } from "./profiles.ts";

const progress = (text: string): void => void process.stderr.write(`${text}\n`);

/** `npm run profile -- [name ...] [--node]`: where the time of a job goes, kernel by kernel. */
export async function main(server: ViteDevServer, args: readonly string[]): Promise<number> {
  const inNode = args.includes("--node");
  const names = args.filter((arg) => !arg.startsWith("--"));
  const missing = names.find((name) => !Object.hasOwn(profiles, name));
  if (missing !== undefined) {
    progress(`profile: there is no "${missing}"; there are ${Object.keys(profiles).join(", ")}`);
    return 2;
  }
  const browser = inNode ? null : await BenchBrowser.launch(server, progress);
  try {
    const adapter = browser ? await browser.adapter() : await runInNode.adapter();
    for (const name of names.length > 0 ? names : Object.keys(profiles)) {
      const times = await (browser ?? runInNode).profile(name);
      const total = times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
      process.stdout.write(`${name} on ${adapter}: ${total.toFixed(2)} ms\n`);
      for (const { kernel, dispatches, milliseconds } of times) {
        const share = `${((100 * milliseconds) / total).toFixed(1).padStart(5)} %`;
        process.stdout.write(
          `  ${share}  ${milliseconds.toFixed(3).padStart(10)} ms  ${String(dispatches).padStart(4)} x ${kernel}\n`,
        );
      }
    }
  } finally {
    await browser?.close();
  }
  return 0;
}
