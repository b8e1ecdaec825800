import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join, normalize } from "node:path";
import { runInNewContext } from "node:vm";
import { launch, type Browser, type Page } from "puppeteer-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { NotebookTest } from "../notebook/page.ts";
import { chromiumLaunch, findFirefox } from "../support/browser.ts";
import { buildKernelSite, openElsewhere } from "../support/kernel-site.ts";
import { attacks, FORGED, hostileKernel, MARKDOWN } from "./attacks.ts";
import { LATER_LANGUAGE, TRY_EVERYTHING, unjudged } from "./reach.ts";

// docs/threat-model.md says what each part is for; every threat in it is tried here, and the other way round.
declare const notebookTest: NotebookTest;

let site: Awaited<ReturnType<typeof buildKernelSite>>;
let elsewhere: Awaited<ReturnType<typeof openElsewhere>>;
const firefox = findFirefox();
if (!firefox) console.warn("no Firefox found: the hostile notebooks are tried in Chromium only");

beforeAll(async () => {
  site = await buildKernelSite();
  elsewhere = await openElsewhere();
});

afterAll(async () => {
  elsewhere?.close();
  await site?.dispose();
});

const listen = (server: Server): Promise<string> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      resolve(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    });
  });

/** A static host. With `headers`, each page's policy comes as a header too, and other files have that of the page. */
function staticHost(headers: boolean): Server {
  const policyOf = (file: string): string =>
    /http-equiv="Content-Security-Policy"\s+content="([^"]+)"/.exec(
      readFileSync(join(site.directory, file), "utf8"),
    )![1]!;
  const types: Record<string, string> = { html: "text/html", js: "text/javascript" };
  return createServer((request, response) => {
    const path = normalize(new URL(request.url!, "http://x").pathname).slice(1);
    try {
      const body = readFileSync(join(site.directory, path));
      const policy = policyOf(path.endsWith(".html") ? path : "test/notebook/page.html");
      response.writeHead(200, {
        "content-type": types[path.split(".").at(-1)!] ?? "text/plain",
        "access-control-allow-origin": "*",
        ...(headers ? { "content-security-policy": policy } : {}),
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
}

const { executablePath, args } = chromiumLaunch();
// The driver would put sandboxed frames into the page's process, which no browser does by itself.
process.env["PUPPETEER_TEST_EXPERIMENTAL_CHROME_FEATURES"] = "true";
const browsers = {
  Chromium: () =>
    launch({
      executablePath: executablePath!,
      headless: true,
      // A small heap, so that a bomb goes off before the machine's memory is used up.
      args: [...args!, "--js-flags=--max-old-space-size=192"],
    }),
  Firefox: () => launch({ browser: "firefox", executablePath: firefox!, headless: true }),
};

describe.each([
  ["Chromium", "meta"],
  ["Chromium", "header"],
  ["Firefox", "meta"],
  ["Firefox", "header"],
] as const)("hostile notebooks in %s, the policy as %s", (name, policy) => {
  const skips = name === "Firefox" && !firefox;
  let server: Server;
  let host: string;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    if (skips) return;
    server = staticHost(policy === "header");
    host = `${await listen(server)}/`;
    browser = await browsers[name]();
  });
  afterAll(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
  });
  beforeEach(async () => {
    if (skips) return;
    elsewhere.reached.length = 0;
    page = await browser.newPage();
    await page.goto(`${host}test/notebook/page.html`);
    // What is to be stolen.
    await page.evaluate(() => {
      localStorage.setItem("secret", "42");
      document.cookie = "secret=42";
      void navigator.locks.request("secret", () => new Promise(() => undefined));
      return new Promise((resolve) => {
        const open = indexedDB.open("secrets", 1);
        open.onupgradeneeded = () => open.result.createObjectStore("s").put(42, "secret");
        open.onsuccess = resolve;
      });
    });
  });
  afterEach(async () => {
    if (!skips) await page.close();
  });

  const at = (text: string): string => text.replaceAll("ELSEWHERE", elsewhere.url).replaceAll("HOST", host);
  const tryCell = (source: string): ReturnType<NotebookTest["tryCell"]> =>
    page.evaluate((text) => notebookTest.tryCell(text), at(source));
  const tryKernel = (whenRun: string): ReturnType<NotebookTest["tryCell"]> =>
    page.evaluate((script) => notebookTest.tryCell("1", script), at(hostileKernel(whenRun)));
  const survives = async (): Promise<void> => {
    const left = await page.evaluate(async () => ({
      polluted: "polluted" in {} || "polluted" in [],
      broken: "broken" in window,
      storage: localStorage.getItem("secret"),
      databases: (await indexedDB.databases()).map((one) => one.name),
      stolen: notebookTest.stolen,
    }));
    expect(left).toEqual({
      polluted: false,
      broken: false,
      storage: "42",
      databases: ["secrets"],
      stolen: [],
    });
    expect(elsewhere.reached).toEqual([]);
  };

  // Firefox sometimes leaves the worker waiting for half a minute, and the kernel ends it: once more, then.
  it.skipIf(skips)(
    "T1-T4: nothing that a cell can call reaches the network, storage or the page",
    { retry: name === "Firefox" ? 1 : 0, timeout: 120_000 },
    async () => {
      const attempts = attacks
        .map(({ name: what, code }) => `${JSON.stringify(what)}: async () => { ${code} }`)
        .join(",\n");
      const { state, text, message } = await tryCell(`
      const attempts: any = {${attempts}};
      console.log("origin", self.origin);
      for (const [name, attempt] of Object.entries(attempts) as any) {
        try { await attempt(); console.log("REACHED", name); } catch { console.log("held", name); }
      }
    `);
      const lines = text.split("\n");
      const reachedNames = lines.filter((line) => line.startsWith("REACHED")).map((line) => line.slice(8));
      const harmless = new Set(attacks.filter((attack) => attack.harmless).map((attack) => attack.name));
      expect(reachedNames.filter((one) => !harmless.has(one))).toEqual([]);
      expect([state, message]).toEqual(["done", ""]);
      expect(lines).toContain("origin null");
      expect(lines.filter((line) => /^(?:held|REACHED) /.test(line))).toHaveLength(attacks.length);
      await survives();
      // The same calls do reach the other site from where they may: the suite would see a leak.
      await page.evaluate((url) => fetch(`${url}/control`), elsewhere.url);
      expect(elsewhere.reached).toEqual(["/control"]);
    },
  );

  // A policy that comes as a header is the same policy.
  it.skipIf(skips || policy === "header")(
    "T1-T3: whatever a realm offers is judged, and reaches nobody when all of it is called with an address",
    async () => {
      const ofNode = runInNewContext("Object.getOwnPropertyNames(globalThis)") as string[];
      const { state, message, text } = await tryCell(
        TRY_EVERYTHING.replace("LANGUAGE", JSON.stringify([...ofNode, ...LATER_LANGUAGE]))
          // Firefox waits for ever for some of what hangs on its navigator.
          .replace("DEPTH", name === "Firefox" ? "-1" : "2"),
      );
      expect([state, message]).toEqual(["done", ""]);
      const names = JSON.parse(/^names (.*)$/m.exec(text)![1]!) as string[];
      expect(names.length).toBeGreaterThan(200);
      expect(unjudged(names)).toEqual([]);
      expect(Number(/^tried (\d+)$/m.exec(text)![1])).toBeGreaterThan(2_000);
      await survives();
    },
    120_000,
  );

  it.skipIf(skips)("T1: a granted host is reached, and only that one, without cookies", async () => {
    const answers = await page.evaluate(
      async ([text, granted]) => {
        notebookTest.open(text, { foreign: { from: "a test" } });
        const { session } = notebookTest;
        await session!.allow([granted]);
        await session!.run("cell");
        const { outputs } = session!.cells[0]!;
        return outputs.map((output) => (output.view === "text" ? output.text : "")).join("\n");
      },
      [
        at(`// fulgurite: 1
// %% cell
console.log(await (await fetch("ELSEWHERE/granted")).text());
for (const url of ["HOSTkernel.html", "ELSEWHERE/x".replace("127.0.0.1", "localhost"), "http://127.0.0.1:1/"]) {
  await fetch(url).then(() => console.log("REACHED", url), (error) => console.log(error.code));
}
`),
        new URL(elsewhere.url).host,
      ] as const,
    );
    expect(answers.split("\n")).toEqual([
      "reached",
      "notebook/not-granted",
      "notebook/not-granted",
      "notebook/not-granted",
    ]);
    expect(elsewhere.reached).toEqual(["/granted"]);
  });

  it.skipIf(skips)("T4: forged, malformed and polluting messages change nothing", async () => {
    const { state, text } = await tryKernel(FORGED);
    expect(state).toBe("done");
    expect(text).toContain("sent");
    expect(text).not.toMatch(/stolen|html/);
    expect(await page.evaluate(() => notebookTest.session!.cells.length)).toBe(1);
    await survives();
  });

  it.skipIf(skips)(
    "T5: a flood is cut short, and a huge message does no harm",
    async () => {
      // A cell that never gives control back: the kernel itself stops sending.
      const flood = await tryCell(
        'for (;;) { for (let i = 0; i < 1000; i++) void fetch("x").catch(() => 0); await 0; }',
      );
      expect(flood.code).toBe("notebook/flood");
      // A kernel of the author's own keeps to no limit, so the host counts. No cell gets that far; Firefox would queue
      // without a bound and end its process (docs/threat-model.md).
      if (name === "Chromium") {
        const kernel = await tryKernel(
          'for (;;) port.postMessage([{ kind: "state", id: "cell", state: { kind: "running" } }]);',
        );
        expect(kernel.code).toBe("notebook/flood");
      }
      const huge = await tryCell(
        `const text = "x".repeat(3e7); for (let i = 0; i < 20; i++) console.log(text.slice(i)); console.log("end");`,
      );
      expect(huge.state).toBe("done");
      expect(huge.text.length).toBeLessThan(4_000_000);
      await survives();
    },
    60_000,
  );

  it.skipIf(skips)("T6: an endless loop is ended, a worker that closes itself is replaced", async () => {
    const loop = await page.evaluate(async () => {
      notebookTest.open("// fulgurite: 1\n// %% a\nfor (;;);\n// %% b lazy\n6 * 7\n");
      const { session } = notebookTest;
      void session!.run("a");
      while (session!.cells[0]!.state.kind !== "running") await new Promise((r) => setTimeout(r, 20));
      await session!.stop("a");
      await session!.run("b");
      return session!.cells.map(({ state }) => state.kind);
    });
    expect(loop).toEqual(["cancelled", "done"]);
    const closed = await page.evaluate(async () => {
      notebookTest.open(
        "// fulgurite: 1\n// %% a\nself.close(); await new Promise(() => {});\n// %% b lazy\n6 * 7\n",
        {
          hangLimit: 1_500,
        },
      );
      const { session } = notebookTest;
      await session!.run("a");
      await session!.run("b");
      return session!.cells.map(({ state }) => (state.kind === "error" ? state.error.code : state.kind));
    });
    expect(closed).toEqual(["notebook/hung", "done"]);
    await survives();
  });

  it.skipIf(skips || name === "Firefox" || policy === "header")(
    "T6: a heap bomb takes its frame and not the page",
    async () => {
      // The report comes over HTTP: the driver gives a page up when a frame of it crashes, the page does not.
      const report = new Promise<string>((resolve) => {
        server.on("request", (request: IncomingMessage) => {
          if (request.url?.startsWith("/report?")) resolve(decodeURIComponent(request.url.slice(8)));
        });
      });
      await page.evaluate(() => {
        const text =
          "// fulgurite: 1\n// %% bomb\nconst held = []; for (;;) held.push(new Array(4e6).fill(held.length + 0.5));\n// %% b lazy\n6 * 7\n";
        notebookTest.open(text);
        const { session } = notebookTest;
        const bombed = async (): Promise<void> => {
          await session!.run("bomb");
          await session!.run("b");
          const kinds = session!.cells.map(({ state }) =>
            state.kind === "error" ? state.error.code : state.kind,
          );
          const stored = [localStorage.getItem("secret"), (await indexedDB.databases()).length];
          await fetch(`/report?${encodeURIComponent([...kinds, ...stored].join())}`);
        };
        void bombed();
      });
      expect(await report).toBe("notebook/kernel-lost,done,42,1");
    },
    120_000,
  );

  it.skipIf(skips)("T7: nothing runs, and no kernel starts, when a foreign notebook is opened", async () => {
    const before = page.frames().length;
    const state = await page.evaluate(async () => {
      notebookTest.open("// fulgurite: 1\n// %% a\nawait fetch('https://leak.invalid/');\n", {
        foreign: { from: "a link" },
      });
      const { session } = notebookTest;
      await session!.runEager();
      await session!.run("a");
      return [session!.permissions.state, session!.cells[0]!.state.kind];
    });
    expect(state).toEqual(["asking", "idle"]);
    expect(page.frames()).toHaveLength(before);
  });

  it.skipIf(skips)("T8: hostile markdown runs no script and loads nothing from elsewhere", async () => {
    await page.evaluate((source) => {
      notebookTest.showMarkdown(source);
    }, at(MARKDOWN));
    await page.evaluate(async () => {
      for (const link of document.querySelectorAll("main a")) (link as HTMLElement).click();
      await new Promise((resolve) => setTimeout(resolve, 300));
    });
    const schemes = await page.evaluate(() =>
      [...document.querySelectorAll("main a")].map(
        (link) => new URL((link as HTMLAnchorElement).href).protocol,
      ),
    );
    expect(schemes.filter((scheme) => !/^https?:$/.test(scheme))).toEqual([]);
    expect(
      await page.evaluate(
        () => document.querySelectorAll("main script, main iframe, main svg, main style").length,
      ),
    ).toBe(0);
    expect(elsewhere.reached.filter((path) => path !== "/definition")).toEqual([]);
  });

  it.skipIf(skips)(
    "T9: kernel.html does nothing by itself, in a frame of its own origin, or under another site",
    async () => {
      const asks = (frame: string): Promise<string> =>
        page.evaluate(async (attributes) => {
          const element = document.createElement("iframe");
          for (const [key, value] of Object.entries(JSON.parse(attributes) as Record<string, string>)) {
            element.setAttribute(key, value);
          }
          document.body.append(element);
          await new Promise((resolve) => element.addEventListener("load", resolve));
          const { port1, port2 } = new MessageChannel();
          element.contentWindow!.postMessage("fulgurite", "*", [port2]);
          port1.postMessage({ kind: "ping" });
          return Promise.race([
            new Promise<string>((resolve) => (port1.onmessage = () => resolve("answered"))),
            new Promise<string>((resolve) => setTimeout(() => resolve("silent"), 400)),
          ]);
        }, frame);
      expect(await asks(JSON.stringify({ src: `${host}kernel.html` }))).toBe("silent");
      expect(await asks(JSON.stringify({ src: `${host}kernel.html`, sandbox: "allow-scripts" }))).toBe(
        "answered",
      );
      await page.goto(`${elsewhere.url}/other`);
      expect(await asks(JSON.stringify({ src: `${host}kernel.html` }))).toBe("silent");
      // In a sandboxed frame it works for another site too; what it must not have there is anything of ours.
      const held = await page.evaluate(async (src) => {
        const { port1, port2 } = new MessageChannel();
        const { port1: result, port2: inside } = new MessageChannel();
        const frame = document.createElement("iframe");
        frame.setAttribute("sandbox", "allow-scripts");
        frame.src = src;
        document.body.append(frame);
        await new Promise((resolve) => frame.addEventListener("load", resolve));
        frame.contentWindow!.postMessage("fulgurite", "*", [port2]);
        const source =
          'onmessage = ({ ports: [port] }) => { try { indexedDB.open("secrets"); port.postMessage("REACHED"); } catch { port.postMessage("held " + origin); } };';
        port1.postMessage({ kind: "spawn", source }, [inside]);
        return new Promise<unknown>((resolve) => {
          result.onmessage = ({ data }) => {
            resolve(data);
          };
        });
      }, `${host}kernel.html`);
      expect(held).toBe("held null");
      await page.goto(`${host}kernel.html`);
      const workers: string[] = [];
      page.on("workercreated", (worker) => workers.push(worker.url()));
      const alone = await page.evaluate(() => {
        const { port1, port2 } = new MessageChannel();
        window.postMessage("fulgurite", "*", [port2]);
        port1.postMessage({ kind: "spawn", source: "postMessage(1)" });
        return Promise.race([
          new Promise<string>((resolve) => (port1.onmessage = () => resolve("answered"))),
          new Promise<string>((resolve) => setTimeout(() => resolve("silent"), 400)),
        ]);
      });
      expect([alone, workers]).toEqual(["silent", []]);
    },
  );
});
