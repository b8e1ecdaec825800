/** Where a sandboxed frame's page comes from: an address, or its text where the app is one file. */
export type FramePage = { readonly url: string | URL } | { readonly html: string };

/**
 * Loads a page into `element`, in an origin of its own, and resolves once it is there.
 *
 * A frame whose attribute gives it an opaque origin goes past the service worker, and so finds nothing without a
 * network. Where one has the page in hand, the frame is asked for without that restriction, and the service worker
 * answers with `sandbox allow-scripts` as a policy (`offline-worker.js`), which has the same effect. Should it not have
 * done so, the frame's document can be reached from here: then it is thrown away, and loaded anew under the attribute.
 * The pages themselves do nothing but where their origin is opaque.
 */
export async function loadSandboxed(
  element: HTMLIFrameElement,
  page: FramePage,
  parent: HTMLElement,
): Promise<void> {
  if ("url" in page && isKeptOffline()) {
    await load(element, "allow-scripts allow-same-origin", page, parent);
    if (element.contentDocument === null) return;
    element.remove();
  }
  await load(element, "allow-scripts", page, parent);
}

function load(
  element: HTMLIFrameElement,
  sandbox: string,
  page: FramePage,
  parent: HTMLElement,
): Promise<void> {
  element.setAttribute("sandbox", sandbox);
  if ("url" in page) element.src = String(page.url);
  else element.srcdoc = page.html;
  return new Promise((resolve, reject) => {
    element.onload = () => {
      resolve();
    };
    element.onerror = () => {
      reject(new Error("the frame's page did not load"));
    };
    parent.append(element);
  });
}

/** Not on plain http, nor from disk. */
const isKeptOffline = (): boolean =>
  Boolean((navigator.serviceWorker as ServiceWorkerContainer | undefined)?.controller);
