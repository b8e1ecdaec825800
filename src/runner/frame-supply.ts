import { measure } from "./measure.ts";
import { loadSandboxed, type FramePage } from "./sandboxed-frame.ts";
import type { FrameDemand, FrameSupply } from "./protocol.ts";
import { runnerFrame } from "./runner-frame.ts";

export interface FrameSupplyOptions {
  /** runner.html, which runs the script that its parent hands it and nothing else. */
  readonly page: FramePage;
  /** Where the frames go; default the body. They show nothing. */
  readonly container?: HTMLElement;
}

/**
 * Page side of the runners: opens and removes the sandboxed frames that the trainer asks for on `port`, and hands it
 * a port to each. The page itself says and hears nothing more. Returns a function that removes them all.
 */
export function supplyFrames(port: MessagePort, options: FrameSupplyOptions): () => void {
  const frames = new Map<number, HTMLIFrameElement>();
  const script = `(${runnerFrame.toString()})(port, ${measure.toString()})`;

  function open(frame: number): void {
    const element = document.createElement("iframe");
    element.hidden = true;
    element.ariaHidden = "true";
    const hand = (): void => {
      if (frames.get(frame) !== element) return;
      const { port1, port2 } = new MessageChannel();
      // An opaque origin has no name: the frame cannot be addressed but by "*".
      element.contentWindow?.postMessage(script, "*", [port2]);
      port.postMessage({ kind: "opened", frame } satisfies FrameSupply, [port1]);
    };
    frames.set(frame, element);
    loadSandboxed(element, options.page, options.container ?? document.body).then(hand, () => {
      port.postMessage({ kind: "failed", frame, message: "runner.html did not load" } satisfies FrameSupply);
    });
  }

  function close(frame: number): void {
    frames.get(frame)?.remove();
    frames.delete(frame);
  }

  port.onmessage = ({ data }: MessageEvent<FrameDemand>) => {
    if (data.kind === "open") open(data.frame);
    else close(data.frame);
  };
  return () => {
    port.onmessage = null;
    for (const frame of [...frames.keys()]) close(frame);
  };
}
