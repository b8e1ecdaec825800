import { isIsolated, testIsolation } from "./isolation.ts";
import { Kernel } from "./kernel.ts";
import type { HostMessage } from "./protocol.ts";

/**
 * Entry of the sandbox's worker: takes the host's port from the frame, reports what it can reach, and runs
 * cells only where that is nothing.
 */
self.onmessage = (event: MessageEvent) => {
  self.onmessage = null;
  const port = event.ports[0];
  if (port) void start(port);
};

async function start(port: MessagePort): Promise<void> {
  const isolation = await testIsolation();
  if (isIsolated(isolation)) {
    const kernel = new Kernel((message) => {
      port.postMessage(message);
    });
    // The policy lets no request out; the gate lets out what the person granted.
    self.fetch = kernel.fetch;
    port.onmessage = ({ data }: MessageEvent<HostMessage>) => {
      kernel.receive(data);
    };
  }
  port.postMessage({ kind: "ready", isolation });
}
