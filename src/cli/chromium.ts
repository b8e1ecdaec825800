import { existsSync } from "node:fs";
import type { LaunchOptions } from "playwright-core";

const paths = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/opt/google/chrome/chrome",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
  "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Google\\Chrome\\Application\\chrome.exe",
  "C:\\Program Files (x86)\\Microsoft\\Edge\\Application\\msedge.exe",
];

/** $FULGURITE_CHROMIUM, else an installed Chrome, Chromium or Edge; undefined where there is none. */
export const installedChromium = (): string | undefined =>
  process.env["FULGURITE_CHROMIUM"] ?? paths.find((path) => existsSync(path));

/** Full Chromium (the headless shell has no WebGPU) with WebGPU in software where there is no GPU. */
export const chromiumOptions = (executablePath: string): LaunchOptions => ({
  executablePath,
  headless: true,
  args: [
    // Chromium refuses to start its own sandbox as root; containers are usually that.
    ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
