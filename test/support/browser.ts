import { execFileSync, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { chromium, type BrowserContext, type LaunchOptions } from "playwright-core";
import { chromiumOptions, installedChromium } from "../../src/cli/chromium.ts";

const isRootWithApt = (): boolean =>
  process.platform === "linux" && process.getuid?.() === 0 && existsSync("/usr/bin/apt-get");

function aptInstall(name: string): void {
  const options = {
    stdio: "inherit",
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
  } as const;
  spawnSync("apt-get", ["update", "-qq"], options);
  spawnSync("apt-get", ["install", "-y", "-qq", name], options);
}

let chromiumPath: string | undefined;

/** $FULGURITE_CHROMIUM, then an installed Chrome or Chromium, then apt as root, then `playwright install`. */
export function findChromium(): string {
  if (chromiumPath) return chromiumPath;
  let path = installedChromium();
  if (!path && isRootWithApt()) {
    aptInstall("chromium");
    path = installedChromium();
  }
  if (!path) {
    if (!existsSync(chromium.executablePath())) {
      execFileSync("npx", ["--yes", "playwright-core", "install", "chromium"], { stdio: "inherit" });
    }
    path = chromium.executablePath();
  }
  chromiumPath = path;
  return path;
}

/** $FULGURITE_FIREFOX, then an installed Firefox, then apt as root; undefined where there is none. */
export function findFirefox(): string | undefined {
  const paths = [
    process.env["FULGURITE_FIREFOX"],
    "/usr/bin/firefox-esr",
    "/usr/bin/firefox",
    "/Applications/Firefox.app/Contents/MacOS/firefox",
  ];
  const installed = (): string | undefined => paths.find((path) => path !== undefined && existsSync(path));
  if (!installed() && isRootWithApt()) aptInstall("firefox-esr");
  return installed();
}

export const chromiumLaunch = (): LaunchOptions => chromiumOptions(findChromium());

/** A browser with its profile in `directory`, so that a second launch finds what the first one stored. */
export function launchPersistent(
  directory: string,
  options: { colorScheme?: "light" | "dark"; viewport?: { width: number; height: number } } = {},
): Promise<BrowserContext> {
  return chromium.launchPersistentContext(directory, {
    ...chromiumLaunch(),
    viewport: options.viewport ?? { width: 1280, height: 900 },
    colorScheme: options.colorScheme ?? "light",
  });
}
