/** What a realm offers beyond the language, by name, with what holds it; docs/threat-model.md has the threats. */
const judged: Readonly<Record<string, RegExp>> = {
  "T1: the policy refuses every address; `attacks` tries each by name":
    /^(?:fetch|Request|Response|Headers|XMLHttpRequest\w*|EventSource|WebSocket\w*|WebTransport\w*|Worker|SharedWorker|importScripts|FontFace\w*|fonts|navigator\.(?:sendBeacon|connection)|NetworkInformation)$/,
  "T1: needs a service worker, which an opaque origin has none of":
    /^(?:ServiceWorker\w*|navigator\.serviceWorker|NavigationPreloadManager|BackgroundFetch\w*|Push\w*|(?:Periodic)?SyncManager)$/,
  "T1: of a connection that only a document can open": /^(?:RTC\w*|onrtctransform)$/,
  "T1: a device or a notice, which a person would have to allow, and an opaque origin cannot ask":
    /^(?:USB\w*|HID\w*|Serial\w*|Bluetooth\w*|navigator\.(?:usb|hid|serial|bluetooth)|IdleDetector|Pressure\w*|Notification|Permission\w*|navigator\.permissions)$/,
  "T2: storage, which an opaque origin has none of":
    /^(?:IDB\w*|indexedDB|Cache(?:Storage)?|caches|FileSystem\w*|webkit\w*FileSystem\w*|Storage\w*|navigator\.(?:storage|storageBuckets)|Lock|LockManager|navigator\.locks|CookieStore\w*|cookieStore|CookieChangeEvent|PERSISTENT|TEMPORARY|QuotaExceededError)$/,
  "T3: other realms, of which none is in reach":
    /^(?:BroadcastChannel|Message(?:Channel|Event|Port)|origin|Origin)$/,
  "accepted: the GPU, and what the machine tells everybody":
    /^(?:GPU\w*|WGSL\w*|WebGL\w*|WebGPU\w*|navigator\.(?:gpu|\w*userAgent\w*|app\w+|product|platform|languages?|onLine|deviceMemory|hardwareConcurrency|mediaCapabilities|globalPrivacyControl|taintEnabled|storageQuota)|NavigatorUAData|MediaCapabilities\w*)$/,
  "works on what it is given":
    /^(?:Abort\w*|Audio\w*|Blob|ByteLength\w*|CSS\w*|Canvas\w*|\w*Event(?:Target)?|\w*Stream\w*|Count\w*|CreateMonitor|CropTarget|RestrictionTarget|Crypto\w*|SubtleCrypto|crypto|DOM\w*|Decompression\w*|Directory|Encoded\w*|File(?:List|Reader\w*)?|FormData|Image\w*|createImageBitmap|Media\w*|SourceBuffer\w*|Observable|Subscriber|when|OffscreenCanvas\w*|Path2D|Performance\w*|performance|Readable\w*|Report\w*|Sanitizer|Scheduler|scheduler|Task\w*|Text\w*|Transform\w*|Trusted\w*|trustedTypes|URL|URLPattern|URLSearchParams|UserActivation|Video\w*|Writable\w*|atob|btoa|dump|structuredClone|queueMicrotask|(?:add|remove)EventListener|dispatchEvent|(?:cancel|clear)\w+)$/,
  "says where it is":
    /^(?:(?:Dedicated)?WorkerGlobalScope|WorkerLocation|WorkerNavigator|location|name|navigator|self|isSecureContext|crossOriginIsolated|on(?:error|languagechange|message|messageerror|rejectionhandled|unhandledrejection|offline|online))$/,
};

/** Those of `names` that nobody has judged. */
export const unjudged = (names: readonly string[]): string[] =>
  names.filter((name) => !Object.values(judged).some((family) => family.test(name)));

/**
 * A cell that lists what its realm offers beyond the language, and tries all of it without knowing what it is: every
 * function is called, every constructor constructed and every method of what came of it called, with an address where
 * one may stand. Shows "names", a list, and "tried", how many calls were made. ELSEWHERE is the address of another
 * site, DEPTH how far from the globals it goes, LANGUAGE the names that are the language's.
 */
export const TRY_EVERYTHING = `
const address = "ELSEWHERE/everything";
const ways: any[][] = [
  [address], [address.replace("http:", "https:")], [address, address], ["GET", address], ["x", \`url(\${address})\`],
  [{ url: address, src: address, href: address, iceServers: [{ urls: "stun:" + new URL(address).host }] }],
  ["127.0.0.1", Number(new URL(address).port)],
];
// These would end the realm, or keep it waiting, or only write.
const left = /^(?:close|reportError|postMessage|constructor|console|setTimeout|setInterval|requestAnimationFrame|gpu|importScripts|\\d+)$/;
const language = new Set<string>(LANGUAGE);
const ends = new Set<unknown>([Object.prototype, Function.prototype, Array.prototype, Promise.prototype]);
let tried = 0;
const quietly = (call: () => any): any => {
  tried++;
  try {
    const made = call();
    if (typeof made?.then === "function") Promise.resolve(made).catch(() => 0);
    return made;
  } catch {
    return null;
  }
};
function* members(object: any): Generator<[string, any]> {
  for (let at = object; at && !ends.has(at); at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      try { yield [name, Reflect.get(at, name, object)]; } catch { yield [name, null]; }
    }
  }
}
const seen = new Set<unknown>([self]);
function enter(object: any, depth: number): void {
  if (!object || typeof object !== "object" || depth < 0 || seen.has(object)) return;
  seen.add(object);
  for (const [name, value] of members(object)) {
    if (left.test(name)) continue;
    if (typeof value === "function") for (const way of ways) quietly(() => Reflect.apply(value, object, way));
    else if (typeof value?.then === "function") Promise.resolve(value).catch(() => 0);
    else enter(value, depth - 1);
  }
}
const scope = [...members(self)].filter(([name]) => !language.has(name) && !left.test(name));
const names = scope.map(([name]) => name);
for (const [name] of members(navigator)) if (name !== "constructor") names.push("navigator." + name);
console.log("names", JSON.stringify([...new Set(names)]));
for (const [, value] of scope) {
  await new Promise((done) => setTimeout(done));
  enter(value, DEPTH);
  if (typeof value !== "function") continue;
  for (const way of ways) {
    quietly(() => Reflect.apply(value, self, way));
    enter(quietly(() => Reflect.construct(value, way)), 0);
  }
}
await new Promise((done) => setTimeout(done, 300));
console.log("tried", tried);
`;

/** Names that belong to JavaScript and not to the browser, beside those that Node has. */
export const LATER_LANGUAGE: readonly string[] =
  "AsyncDisposableStack DisposableStack SuppressedError Float16Array Iterator Temporal InternalError".split(
    " ",
  );
