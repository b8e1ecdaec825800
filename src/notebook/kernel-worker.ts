import { isIsolated, testIsolation } from "./isolation.ts";
import { Kernel } from "./kernel.ts";
import { guardPort } from "./kernel-port.ts";

/**
 * Entry of the sandbox's worker: takes the host's port from the frame, reports what it can reach, and runs
 * cells only where that is nothing.
 */
self.onmessage = (event: MessageEvent) => {
  self.onmessage = null;
  const port = event.ports[0];
  if (port) void start(port);
};

async function start(given: MessagePort): Promise<void> {
  const port = guardPort(given);
  const isolation = await testIsolation();
  if (isIsolated(isolation)) {
    const kernel = new Kernel(port.send);
    // The policy lets no request out; the gate lets out what the person granted.
    self.fetch = kernel.fetch;
    withoutFrame();
    self.addEventListener("unhandledrejection", (event) => {
      if (kernel.stray(event.reason)) event.preventDefault();
    });
    self.addEventListener("error", (event) => {
      if (kernel.stray(event.error)) event.preventDefault();
    });
    port.listen((message, environments) => {
      kernel.receive(message, environments);
    });
  }
  port.send({ kind: "ready", isolation });
}

/** The frame listens to nothing that its worker says; what nobody hears must not fill its queue. */
function withoutFrame(): void {
  for (let at: object | null = self; at; at = Object.getPrototypeOf(at) as object | null) {
    Reflect.deleteProperty(at, "postMessage");
  }
}
