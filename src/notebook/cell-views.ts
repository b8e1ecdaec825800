import { FulguriteError } from "../gpu/error.ts";
import { isPlotCall } from "./plot-recorder.ts";
import { tableOf } from "./table-data.ts";
import { shownSpans, type TraceSpan } from "./trace-output.ts";
import type { Output } from "./session-types.ts";

/** Pixels of an image, row by row, four bytes each: red, green, blue, alpha. */
export interface PixelImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

export interface Progress {
  /** `share` from 0 to 1; the words stand beside the bar. */
  set(share: number, words?: string): void;
}

export interface CellViews {
  /** Shows rows, columns or an Arrow table, however long. */
  table(data: unknown, name?: string): void;
  /** Shows a picture: pixels, a canvas, or the bytes of a PNG, JPEG, GIF or WebP. */
  image(picture: PixelImage | OffscreenCanvas | Uint8Array, alt?: string): void;
  /** Shows a bar; the next one of the same label takes its place. */
  progress(label: string): Progress;
  /** Shows two texts, and what differs. */
  diff(before: string, after: string): void;
  /** Shows spans as a tree and as a waterfall; at most 1,000. */
  trace(spans: Iterable<TraceSpan>): void;
}

export const cellViews = (show: (output: Output) => void): CellViews => ({
  table: (data, name) => {
    const table = tableOf(data);
    if (!table) {
      throw new FulguriteError(
        "notebook/table",
        "This is not a table.",
        "Give rows as objects, columns as arrays by name, or an Arrow table.",
      );
    }
    show({ view: "table", name: name ?? null, table });
  },
  image: (picture, alt = "") => {
    show(imageOutput(isCanvas(picture) ? pixelsOf(picture) : picture, alt));
  },
  progress: (label) => {
    const set = (share: number, words = ""): void => {
      const clamped = Number.isFinite(share) ? Math.max(0, Math.min(1, share)) : 0;
      show({ view: "progress", label: String(label), share: clamped, words: String(words) });
    };
    set(0);
    return { set };
  },
  diff: (before, after) => {
    show({ view: "diff", before: String(before), after: String(after) });
  },
  trace: (spans) => {
    show({ view: "trace", spans: shownSpans(spans) });
  },
});

/** A plot, a picture or a canvas as what it is; undefined for anything else. */
export function drawnOutput(value: unknown): Output | undefined {
  if (isPlotCall(value)) return { view: "plot", call: value };
  if (isCanvas(value)) return imageOutput(pixelsOf(value), "");
  if (typeof ImageData === "function" && value instanceof ImageData) return imageOutput(value, "");
  return undefined;
}

const isCanvas = (value: unknown): value is OffscreenCanvas =>
  typeof OffscreenCanvas === "function" && value instanceof OffscreenCanvas;

/** What is on a canvas, whatever drew it. */
function pixelsOf(canvas: OffscreenCanvas): PixelImage {
  const { width, height } = canvas;
  const drawn = canvas.getContext("2d");
  if (drawn) return drawn.getImageData(0, 0, width, height);
  const copy = new OffscreenCanvas(width, height).getContext("2d")!;
  copy.drawImage(canvas, 0, 0);
  return copy.getImageData(0, 0, width, height);
}

function imageOutput(picture: PixelImage | Uint8Array, alt: string): Output {
  if (picture instanceof Uint8Array) {
    return { view: "image", alt: String(alt), image: { kind: "file", bytes: picture.slice() } };
  }
  const { width, height, data } = picture;
  if (data.length !== width * height * 4) {
    throw new FulguriteError(
      "notebook/image",
      `An image of ${width} by ${height} pixels has ${width * height * 4} bytes, not ${data.length}.`,
      "Give four bytes for each pixel.",
    );
  }
  return {
    view: "image",
    alt: String(alt),
    image: { kind: "pixels", width, height, bytes: new Uint8Array(data) },
  };
}
