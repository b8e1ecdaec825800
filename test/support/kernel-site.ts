import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { build } from "vite";
import { kernelBundle } from "../../src/notebook/kernel-bundle.vite.ts";
import { shippedPackageFiles } from "../../src/notebook/packages.vite.ts";
import { keptBuild, root, type BuiltFolder } from "./kept-build.ts";

/** Builds kernel.html and test/notebook/page.html, which talks to it, into a folder of its own. */
export const buildKernelSite = (): Promise<BuiltFolder> =>
  keptBuild("kernel", ["test/notebook"], (directory) =>
    build({
      root,
      base: "./",
      configFile: false,
      logLevel: "error",
      publicDir: false,
      plugins: [kernelBundle(), shippedPackageFiles()],
      build: {
        target: "es2023",
        outDir: directory,
        emptyOutDir: true,
        rolldownOptions: { input: [join(root, "test/notebook/page.html"), join(root, "kernel.html")] },
      },
    }),
  );

/** Another site: answers everything, allows everybody, and notes who reaches it. */
export async function openElsewhere(): Promise<{
  readonly url: string;
  readonly reached: string[];
  close(): void;
}> {
  const reached: string[] = [];
  const server = createServer((request, response) => {
    if (request.url !== "/favicon.ico") reached.push(request.url ?? "");
    response.writeHead(200, { "access-control-allow-origin": "*" }).end("reached");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    reached,
    close: () => void server.close(),
  };
}
