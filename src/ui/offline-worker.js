/* The service worker; `offline.vite.ts` writes the version and the files of the build into it. */
const VERSION = "__VERSION__";
const FILES = "__FILES__";
const LATER = "__LATER__";
const FRAMES = /\/(?:kernel|runner)\.html$/;
const CACHE = `fulgurite/${VERSION}`;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches
      .open(CACHE)
      .then((cache) => cache.addAll(FILES))
      .then(() => self.skipWaiting()),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    caches
      .keys()
      .then((names) =>
        Promise.all(
          names
            .filter((name) => name.startsWith("fulgurite/") && name !== CACHE)
            .map((name) => caches.delete(name)),
        ),
      )
      .then(() => self.clients.claim()),
  );
});

/* A page that has opened says so: now there is time for what editing and saving need. What fails is tried at the next. */
self.addEventListener("message", (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) =>
      Promise.all(
        LATER.map(async (name) => {
          if (!(await cache.match(name))) await cache.add(name).catch(() => undefined);
        }),
      ),
    ),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || !url.href.startsWith(self.registration.scope)) return;
  if (request.destination === "worker") event.respondWith(isolated(file(request)));
  else if (request.mode !== "navigate") event.respondWith(file(request));
  else event.respondWith(FRAMES.test(url.pathname) ? framed(request) : isolated(page(request)));
});

/**
 * The pages of the sandboxed frames: whatever the frame says, their origin is opaque. Their own policies, which stand in
 * their text, hold beside this one.
 */
async function framed(request) {
  return withHeader(await page(request), "content-security-policy", "sandbox allow-scripts");
}

/**
 * The page and its workers, apart from whatever else the browser runs: memory that threads share is given to no other
 * page. The frames are not, and need not be; isolation that a page's frames must share (COEP) would end them, which no
 * service worker serves. Browsers that do not know it pass it over.
 */
async function isolated(answer) {
  return withHeader(await answer, "document-isolation-policy", "isolate-and-credentialless");
}

function withHeader(answer, name, value) {
  const headers = new Headers(answer.headers);
  headers.append(name, value);
  const { status, statusText } = answer;
  // A redirection is for the browser to follow; nobody may read it.
  const opaque = status === 0 || answer.type === "opaqueredirect";
  return opaque ? answer : new Response(answer.body, { status, statusText, headers });
}

/** The page itself: the newest there is, and the kept one without a network. */
async function page(request) {
  const cache = await caches.open(CACHE);
  try {
    const fresh = await fetch(request);
    const isHome = request.url.split(/[?#]/)[0] === self.registration.scope;
    if (fresh.ok && isHome) await keep(cache, "./", fresh);
    return fresh;
  } catch {
    return (
      (await cache.match(request, { ignoreSearch: true })) ?? (await cache.match("./")) ?? Response.error()
    );
  }
}

/** Everything else has its hash in its name and never changes. */
async function file(request) {
  const cache = await caches.open(CACHE);
  const kept = await cache.match(request, { ignoreSearch: true });
  if (kept) return kept;
  const fresh = await fetch(request);
  if (fresh.ok && fresh.type === "basic") await keep(cache, request, fresh);
  return fresh;
}

/** On a full disk the file is not kept, and the page gets it all the same. */
const keep = (cache, request, answer) => cache.put(request, answer.clone()).catch(() => undefined);
