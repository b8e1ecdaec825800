import { FulguriteError } from "../gpu/error.ts";
import type { CodeSource } from "./agent-source.ts";

/**
 * Packages of others that cells, agents and rewards may import, without a network: they are built with the page; `packages.vite.ts`
 * of the notebook says how.
 */
export const shippedPackages = ["apache-arrow", "fflate", "sql.js"] as const;

/** Whether a package ships with the page. */
export const isShippedPackage = (name: string): boolean =>
  (shippedPackages as readonly string[]).includes(name);

/** Name of a package's file, without its folder: "sql.js.js". */
export const packageFile = (name: string): string => `${name.replaceAll("/", "+")}.js`;

/**
 * Text of a shipped package, as the body of a function of `module` and `exports`; null where there is none of that
 * name.
 */
export type LoadPackage = (name: string) => Promise<string | null>;

/** Name of the function by which code reaches its packages, in the script of its worker. */
export const PACKAGES = "$package";

/**
 * The code with the text of its packages before its library, for a worker that can load nothing. Each is evaluated
 * when it is first asked for, once a worker. Rejects with "runner/no-package" where one does not ship.
 */
export async function withPackages(source: CodeSource, load: LoadPackage): Promise<CodeSource> {
  const { packages, ...rest } = source;
  if (!packages || packages.length === 0) return rest;
  const entries = await Promise.all(
    packages.map(async (name) => {
      const text = isShippedPackage(name) ? await load(name) : null;
      if (text === null) throw noPackage(name);
      return `${JSON.stringify(name)}: function (module, exports) {${text}\n}`;
    }),
  );
  const head = `var ${PACKAGES} = (() => { const packages = {${entries.join(",\n")}}, done = {};
return (name) => { if (done[name]) return done[name].exports; const module = done[name] = { exports: {} };
packages[name](module, module.exports); return module.exports; }; })();\n`;
  return { ...rest, library: head + (source.library ?? "") };
}

export const noPackage = (name: string): FulguriteError =>
  new FulguriteError(
    "runner/no-package",
    `The package "${name}" does not ship with this version.`,
    `Import one of ${shippedPackages.join(", ")}, or from an https:// address.`,
  );
