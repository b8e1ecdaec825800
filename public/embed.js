/**
 * <fulgurite-run src="..." mode="app" height="600">: a notebook inside any page. `src` is a link to a notebook as
 * the share dialog gives it, or the address of an .nb.ts file. The notebook runs in a frame of its own, in the
 * notebook's own sandbox, and asks the reader before anything of it runs.
 */
(() => {
  // A classic script: a module of another site would need its host to send CORS headers.
  const app = new URL("./", document.currentScript.src);
  if (customElements.get("fulgurite-run")) return;

  class FulguriteRun extends HTMLElement {
    static observedAttributes = ["src", "mode", "height"];
    #frame = null;

    connectedCallback() {
      this.style.display ||= "block";
      this.#frame ??= document.createElement("iframe");
      this.#frame.title = this.getAttribute("title") ?? "Fulgurite notebook";
      this.#frame.loading = "lazy";
      this.#frame.allow = "clipboard-write; fullscreen";
      Object.assign(this.#frame.style, { inlineSize: "100%", border: "0" });
      this.#frame.src = this.#address();
      this.#frame.style.blockSize = `${Number(this.getAttribute("height")) || 600}px`;
      this.replaceChildren(this.#frame);
    }

    attributeChangedCallback() {
      if (this.isConnected && this.#frame) this.connectedCallback();
    }

    #address() {
      const src = this.getAttribute("src") ?? "";
      const link = new URL(src, document.baseURI);
      const isApp = link.href.split("#")[0].replace(/index\.html$/, "") === app.href;
      const hash = new URLSearchParams(isApp ? link.hash.slice(1) : { src: link.href });
      if (src === "") for (const key of [...hash.keys()]) hash.delete(key);
      if (this.getAttribute("mode") === "app") hash.set("mode", "app");
      return `${app.href}#${hash}`;
    }
  }

  customElements.define("fulgurite-run", FulguriteRun);
})();
