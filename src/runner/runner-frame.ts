import type { Allowance, FromFrame, ToFrame } from "./protocol.ts";

/**
 * What runs in a runner frame's document: starts and ends classic `data:` workers and stands between them and the
 * trainer, ending any that sends more than it may. It travels as source, with `measure`, so everything it uses is
 * inside it. The agent's code never runs here.
 */
export function runnerFrame(port: MessagePort, measure: (value: unknown, limit: number) => number): void {
  interface Entry {
    readonly worker: Worker;
    readonly port: MessagePort;
    messages: number;
    bytes: number;
  }
  const scripts = new Map<number, string>();
  const workers = new Map<number, Entry>();
  const send = (message: FromFrame): void => {
    port.postMessage(message);
  };

  function terminate(id: number): void {
    const entry = workers.get(id);
    if (!entry) return;
    workers.delete(id);
    entry.port.onmessage = null;
    entry.port.close();
    entry.worker.terminate();
  }

  function end(id: number, reason: "flooded" | "failed", message: string, line: number): void {
    if (!workers.has(id)) return;
    terminate(id);
    send({ kind: "dead", worker: id, reason, message, line });
  }

  function spawn({ worker: id, script, start }: Extract<ToFrame, { kind: "spawn" }>): void {
    const worker = new Worker(scripts.get(script) ?? "data:,");
    const { port1, port2 } = new MessageChannel();
    const entry: Entry = { worker, port: port1, messages: 1000, bytes: 1_000_000 };
    workers.set(id, entry);
    worker.onerror = (event) => {
      event.preventDefault();
      end(id, "failed", event.message || "the worker did not start", event.lineno || 0);
    };
    // Its port is its only way out.
    worker.onmessage = () => {
      end(id, "failed", "the worker sent a message past its port", 0);
    };
    port1.onmessage = ({ data }) => {
      entry.messages--;
      entry.bytes -= measure(data, entry.bytes);
      if (entry.messages < 0 || entry.bytes < 0) {
        const what = entry.messages < 0 ? "messages" : "data";
        end(id, "flooded", `it sent more ${what} than an attempt may`, 0);
      } else {
        send({ kind: "from", worker: id, message: data });
      }
    };
    port1.onmessageerror = () => {
      end(id, "failed", "the worker sent what cannot be read", 0);
    };
    worker.postMessage(start, [port2]);
  }

  const allow = (entry: Entry, { messages, bytes }: Allowance): void => {
    entry.messages = messages;
    entry.bytes = bytes;
  };

  port.onmessage = ({ data }: MessageEvent<ToFrame>) => {
    switch (data.kind) {
      case "script":
        scripts.set(data.script, `data:text/javascript;charset=utf-8,${encodeURIComponent(data.text)}`);
        break;
      case "spawn":
        spawn(data);
        break;
      case "terminate":
        terminate(data.worker);
        break;
      case "post": {
        const entry = workers.get(data.worker);
        if (!entry) break;
        if (data.allow) allow(entry, data.allow);
        entry.port.postMessage(data.message);
        break;
      }
      case "ping":
        send({ kind: "pong", ping: data.ping, workers: workers.size });
        break;
    }
  };
}
