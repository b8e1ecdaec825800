import { MESSAGE_BURST, MESSAGES_PER_SECOND } from "./message-allowance.ts";
import type { EnvironmentPort } from "./environment-port.ts";
import type { HostMessage, KernelMessage } from "./protocol.ts";

type Sent = KernelMessage | { readonly kind: "ready"; readonly isolation: object };

/** The kernel's end of the port to its host. */
export interface KernelPort {
  /** Sends in a microtask, in one message with what else is sent until then; at once where a cell is about to run. */
  send(message: Sent): void;
  /** Begins to hand over what the host sends; with "environments" comes a port that is wrapped likewise. */
  listen(receive: (message: HostMessage, environments?: EnvironmentPort) => void): void;
}

/**
 * Wraps the port so that cells, which share the realm, cannot take hold of it: what it needs of the browser is taken
 * before the first of them runs, and nothing that a cell can replace ever sees the port. It sends at most
 * `MESSAGE_BURST` messages, and `MESSAGES_PER_SECOND` more with each ping of the host; then it says "flood" and falls
 * silent. The host counts too, but a browser that queues without a bound (Firefox) may die of a flood before the host
 * has seen any of it.
 */
export function guardPort(port: MessagePort): KernelPort {
  const { apply } = Reflect;
  const post = MessagePort.prototype.postMessage;
  const readData = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "data")!.get!;
  const readPorts = Object.getOwnPropertyDescriptor(MessageEvent.prototype, "ports")!.get!;
  const setReceiver = Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage")!.set!;
  const wrap = (lent: MessagePort): EnvironmentPort => ({
    answer(message) {
      apply(post, lent, [message]);
    },
    listen(receive) {
      const take = (event: MessageEvent): void => {
        receive(apply(readData, event, []) as Parameters<typeof receive>[0]);
      };
      apply(setReceiver, lent, [take]);
    },
  });
  const soon = queueMicrotask;
  let allowance = MESSAGE_BURST;
  let pending: unknown[] = [];
  const flush = (): void => {
    if (pending.length === 0) return;
    const messages = pending;
    pending = [];
    apply(post, port, [messages]);
  };
  return {
    send(message) {
      if (allowance < 0) return;
      allowance -= 1;
      pending[pending.length] = allowance < 0 ? { kind: "flood" } : message;
      // Should the cell never give control back, the host knows which one it was.
      if (message.kind === "state" && message.state.kind === "running") flush();
      else if (pending.length === 1) soon(flush);
    },
    listen(receive) {
      port.onmessage = (event) => {
        const message = apply(readData, event, []) as HostMessage;
        if (message.kind === "ping" && allowance >= 0) {
          allowance += MESSAGES_PER_SECOND;
          if (allowance > MESSAGE_BURST) allowance = MESSAGE_BURST;
        }
        if (message.kind !== "environments") receive(message);
        else receive(message, wrap((apply(readPorts, event, []) as readonly MessagePort[])[0]!));
      };
    },
  };
}
