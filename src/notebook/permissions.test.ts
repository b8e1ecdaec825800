import { afterEach, describe, expect, it } from "vitest";
import { consentsIn, memoryConsents, type ConsentStore } from "./consent.ts";
import { parseDocument } from "./document.ts";
import { FetchGate } from "./fetch-gate.ts";
import { createInProcessKernel } from "./in-process-kernel.ts";
import type { KernelMessage } from "./protocol.ts";
import { notebookRequests } from "./requests.ts";
import { createNotebookSession } from "./session.ts";
import type { OpenNotebook } from "./session-types.ts";

const text = `// fulgurite: 1
// %% a
export const a = 41 + 1;
a
// %% later lazy
export const page = await fetch("https://API.example.com/v1?q=1");
`;

let session: OpenNotebook | undefined;
let kernels = 0;
afterEach(() => {
  session?.dispose();
  kernels = 0;
});

function open(consents: ConsentStore, given = text): OpenNotebook {
  session?.dispose();
  session = createNotebookSession({
    id: "given",
    text: given,
    foreign: { from: "a link" },
    consents,
    editDelay: 0,
    services: {
      train: () => Promise.reject(new Error("no training here")),
      fetch: (url) => Promise.resolve(new Response(`export const asked = "${url}";`)),
    },
    createKernel: () => {
      kernels++;
      return createInProcessKernel();
    },
  });
  return session;
}

describe("a notebook from elsewhere", () => {
  it("starts no kernel and runs nothing before it is allowed, whatever is asked", async () => {
    const opened = open(memoryConsents());
    expect(opened.permissions).toEqual({
      key: null,
      state: "asking",
      from: "a link",
      hosts: [],
      notes: [],
      refused: [],
    });
    expect(await opened.requests()).toEqual({
      hosts: ["api.example.com"],
      imports: [],
      packages: [],
      trains: [],
    });
    await opened.ready;
    await opened.runEager();
    await opened.run("a");
    opened.edit("a", "export const a = 2;");
    opened.undo();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(kernels).toBe(0);
    expect(opened.cells[0]!.state.kind).toBe("idle");
    await opened.allow();
    await opened.runEager();
    expect(opened.cells[0]!.state.kind).toBe("done");
  });

  it("remembers what was allowed for this very text, lists it, and forgets it when told", async () => {
    const consents = memoryConsents();
    await open(consents).allow(["API.example.com"]);
    const again = open(consents);
    await again.ready;
    expect(again.permissions).toMatchObject({ state: "allowed", hosts: ["api.example.com"] });
    expect(await consents.list()).toMatchObject([
      { title: "given", from: "a link", hosts: ["api.example.com"] },
    ]);
    const changed = open(consents, `${text} `);
    await changed.ready;
    expect(changed.permissions.state).toBe("asking");

    const last = open(consents);
    await last.runEager();
    await last.revoke("api.example.com");
    expect(last.permissions).toMatchObject({ state: "allowed", hosts: [] });
    await last.withdraw();
    expect(last.permissions.state).toBe("asking");
    expect(last.cells[0]!.state.kind).toBe("idle");
    await last.run("a");
    expect(last.cells[0]!.state.kind).toBe("idle");
    expect(await consents.list()).toEqual([]);
  });

  it("asks again for the one host of several that was taken back, and for no other", async () => {
    const consents = memoryConsents();
    // By import(): in this process `fetch` is the process's own. A module that came once is not asked for again.
    const cells = ["one", "two"].map(
      (id) =>
        `// %% ${id} lazy\nexport const ${id} = await import("https://${id}.example/?" + Math.random());\n`,
    );
    const opened = open(consents, `// fulgurite: 1\n${cells.join("")}`);
    const states = async (): Promise<string[]> => {
      for (const id of ["one", "two"]) await opened.run(id);
      return opened.cells.map(({ state }) => (state.kind === "error" ? state.error.code : state.kind));
    };
    await opened.allow(["one.example", "two.example"]);
    expect(await states()).toEqual(["done", "done"]);
    await opened.revoke("two.example");
    expect(await states()).toEqual(["done", "notebook/not-granted"]);
    expect(opened.permissions).toMatchObject({ hosts: ["one.example"], refused: ["two.example"] });
    expect(await consents.list()).toMatchObject([{ hosts: ["one.example"] }]);
    await opened.grant("two.example");
    expect(await states()).toEqual(["done", "done"]);
  });

  it("takes broken or forged storage for nothing allowed", async () => {
    for (const stored of ["", "{", "1", '[{"key":1}]', '[{"key":"own:x","since":1,"hosts":[1]}]']) {
      const consents = consentsIn({ getItem: () => stored, setItem: () => undefined });
      expect(await consents.list()).toEqual([]);
    }
  });
});

describe("notebookRequests", () => {
  it("finds hosts and imports in code, also in code that cannot be parsed, and not in text", () => {
    const requests = notebookRequests(
      parseDocument(`// fulgurite: 1
// %% [md] intro
/*
See https://text.example/ for more.
*/
// %% a
import { x } from "https://esm.example/x@1";
import initSqlJs from "sql.js";
const key: string = "https://user:pass@b.example:8443/k";
const later = await import("https://lazy.example/y");
// https://comment.example is no request
socket(\`wss://c.example/\${key}\`);
train({});
// %% broken
fetch("http://d.example/"
`),
    );
    expect(requests).toEqual({
      hosts: ["b.example:8443", "c.example", "d.example", "esm.example", "lazy.example"],
      imports: ["https://esm.example/x@1", "https://lazy.example/y"],
      packages: ["sql.js"],
      trains: ["a"],
    });
  });
});

describe("FetchGate", () => {
  const message = (url: string, request = 1): Extract<KernelMessage, { kind: "fetch" }> => ({
    kind: "fetch",
    request,
    url,
    method: "GET",
    headers: [],
    body: null,
  });

  it.each([
    ["https://no.example/", "notebook/not-granted"],
    ["https://yes.example.evil.example/", "notebook/not-granted"],
    ["https://yes.example@evil.example/", "notebook/not-granted"],
    ["https://yes.example:444/", "notebook/not-granted"],
    ["http://yes.example/", "notebook/address"],
    ["/relative", "notebook/address"],
    ["data:text/plain,x", "notebook/address"],
    ["file:///etc/passwd", "notebook/address"],
    ["blob:https://yes.example/1", "notebook/address"],
    ["https://", "notebook/address"],
  ])("refuses %s with %s", async (url, code) => {
    const asked: string[] = [];
    const gate = new FetchGate({
      fetch: (address) => {
        asked.push(address);
        return Promise.resolve(new Response("x"));
      },
      isGranted: (host) => host === "yes.example",
      onRefused: () => undefined,
    });
    expect(await gate.answer(message(url))).toMatchObject({ kind: "refused", error: { code } });
    expect(asked).toEqual([]);
  });

  it("carries no cookies, referrer or redirect, and shows harmless headers only", async () => {
    let init: RequestInit = {};
    const gate = new FetchGate({
      fetch: (_, given) => {
        init = given;
        const headers = { "content-type": "text/plain", "x-secret": "1" };
        return Promise.resolve(new Response("body", { status: 201, headers }));
      },
      isGranted: () => true,
      onRefused: () => undefined,
    });
    const answer = await gate.answer(message("https://a.example/"));
    expect(answer).toMatchObject({
      kind: "response",
      status: 201,
      headers: [["content-type", "text/plain"]],
    });
    expect(init).toMatchObject({ credentials: "omit", referrerPolicy: "no-referrer", redirect: "error" });
  });

  it("ends what is under way to a host that is revoked", async () => {
    const gate = new FetchGate({
      fetch: (_, { signal }) =>
        new Promise((_resolve, reject) => {
          signal!.addEventListener("abort", () => reject(signal!.reason as Error));
        }),
      isGranted: () => true,
      onRefused: () => undefined,
    });
    const answer = gate.answer(message("https://a.example/"));
    gate.close("b.example");
    gate.close("a.example");
    expect(await answer).toBeNull();
  });
});
