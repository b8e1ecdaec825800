import * as Plot from "@observablehq/plot";
import { formatCompact, formatCount, formatFigure } from "./format.ts";
import type { RunLabel } from "./run-differences.ts";
import type { Series } from "./series.ts";

/** One run's curve, ready to draw: smoothed and decimated already. */
export interface DrawnLine {
  readonly label: RunLabel;
  /** A CSS colour. */
  readonly colour: string;
  readonly raw: Series | null;
  readonly smoothed: Series;
  /** An interval around it, at the same x. */
  readonly band?: { readonly low: ArrayLike<number>; readonly high: ArrayLike<number> };
  readonly emphasised: boolean;
}

export interface DrawnEvaluation {
  readonly step: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export interface CurvePicture {
  /** Pixels. */
  readonly width: number;
  readonly height: number;
  /** Steps or rollouts at the right edge; the curve grows towards it. */
  readonly steps: number;
  /** What x counts. */
  readonly unit: string;
  /** Least range of y that is shown, or null for that of the data. */
  readonly yRange: readonly [number, number] | null;
  readonly yTitle: string;
  /** Back to front; the emphasised one last. */
  readonly lines: readonly DrawnLine[];
  readonly evaluations: readonly DrawnEvaluation[];
  readonly evaluationLabel: string;
  readonly evaluationColour: string;
  readonly threshold: { readonly value: number; readonly label: string } | null;
}

interface Label {
  readonly x: number;
  y: number;
  readonly text: string;
  readonly colour: string;
}

const margins = { top: 24, bottom: 32, left: 44 };
const LABEL_HEIGHT_PX = 15;
/** Of the widest system font at 12 px and weight 550, on average. */
const CHARACTER_WIDTH_PX = 7.3;

/** Draws the picture as a detached SVG; the caller says what it means (aria-label). */
export function drawCurve(picture: CurvePicture): SVGElement {
  const { width, height, lines, evaluations, threshold } = picture;
  const fits = Math.floor((width * 0.3 - 14) / CHARACTER_WIDTH_PX);
  const short = lines.some((line) => line.label.full.length > fits);
  const labels = endLabels(picture, short);
  const longest = Math.max(0, ...labels.map((label) => label.text.length));
  const right = longest * CHARACTER_WIDTH_PX + 16;
  const domain = yDomain(picture);
  dodge(labels, domain, height);
  const points = (series: Series): { x: number; y: number }[] =>
    Array.from(series.x, (x, i) => ({ x, y: series.y[i]! }));
  const main = lines.at(-1);
  return Plot.plot({
    width,
    height,
    marginTop: margins.top,
    marginBottom: margins.bottom,
    marginLeft: margins.left,
    marginRight: right,
    style: { background: "none", fontFamily: "inherit", fontSize: "12px", overflow: "visible" },
    x: {
      domain: [0, picture.steps],
      label: picture.unit,
      labelAnchor: "center",
      labelArrow: "none",
      ticks: Math.max(2, Math.floor(width / 120)),
      tickFormat: (value: number) => (value === 0 ? "0" : formatCompact(value)),
      tickSize: 0,
      tickPadding: 8,
    },
    y: { domain, label: null, ticks: Math.max(2, Math.floor(height / 56)), tickSize: 0, tickPadding: 8 },
    marks: [
      Plot.gridY({
        stroke: "var(--hairline)",
        strokeOpacity: 1,
        ticks: Math.max(2, Math.floor(height / 56)),
      }),
      Plot.text([picture.yTitle], {
        frameAnchor: "top-left",
        dx: -margins.left,
        dy: -margins.top + 2,
        fill: "var(--ink-quiet)",
      }),
      threshold === null
        ? null
        : [
            Plot.ruleY([threshold.value], { stroke: "var(--ink-faint)", strokeDasharray: "2 4" }),
            Plot.text([threshold], {
              x: 0,
              y: "value",
              text: "label",
              textAnchor: "start",
              lineAnchor: "bottom",
              dx: 4,
              dy: -3,
              fill: "var(--ink-quiet)",
              stroke: "var(--paper)",
              strokeWidth: 4,
            }),
          ],
      lines.map(({ band, smoothed, colour }) =>
        band === undefined
          ? null
          : Plot.areaY(
              Array.from(smoothed.x, (_, i) => i),
              {
                x: (i: number) => smoothed.x[i],
                y1: (i: number) => band.low[i],
                y2: (i: number) => band.high[i],
                fill: colour,
                fillOpacity: 0.16,
              },
            ),
      ),
      lines.map((line) => [
        line.raw === null
          ? null
          : Plot.lineY(points(line.raw), {
              x: "x",
              y: "y",
              stroke: line.colour,
              strokeOpacity: line.emphasised ? 0.28 : 0.14,
              strokeWidth: 1,
            }),
        Plot.lineY(points(line.smoothed), {
          x: "x",
          y: "y",
          stroke: line.colour,
          strokeWidth: line.emphasised ? 2.25 : 1.5,
          strokeLinecap: "round",
        }),
      ]),
      Plot.ruleX(evaluations, {
        x: "step",
        y1: "low",
        y2: "high",
        stroke: picture.evaluationColour,
        strokeOpacity: 0.55,
      }),
      Plot.dot(evaluations, {
        x: "step",
        y: "mean",
        r: 3.25,
        fill: "var(--paper)",
        stroke: picture.evaluationColour,
        strokeWidth: 1.75,
      }),
      Plot.text(labels, {
        x: "x",
        y: "y",
        text: "text",
        fill: (label: Label) => label.colour,
        textAnchor: "start",
        dx: 8,
        fontWeight: 550,
        stroke: "var(--paper)",
        strokeWidth: 4,
      }),
      main === undefined || main.smoothed.x.length < 2
        ? null
        : Plot.tip(
            points(main.smoothed),
            Plot.pointerX({
              x: "x",
              y: "y",
              title: (point: { x: number; y: number }) =>
                `${formatFigure(point.y)} after ${formatCount(point.x)} ${picture.unit}`,
              fill: "var(--raised)",
              stroke: "var(--hairline)",
            }),
          ),
    ],
  }) as SVGElement;
}

function endLabels(picture: CurvePicture, short: boolean): Label[] {
  const labels: Label[] = [];
  for (const line of picture.lines) {
    const last = line.smoothed.x.length - 1;
    if (last < 0) continue;
    labels.push({
      x: line.smoothed.x[last]!,
      y: line.smoothed.y[last]!,
      text: short ? line.label.short : line.label.full,
      colour: line.colour,
    });
  }
  const evaluation = picture.evaluations.at(-1);
  if (evaluation) {
    labels.push({
      x: evaluation.step,
      y: evaluation.mean,
      text: picture.evaluationLabel,
      colour: picture.evaluationColour,
    });
  }
  return labels;
}

function yDomain({ lines, evaluations, threshold, yRange }: CurvePicture): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  const see = (value: number): void => {
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const line of lines) {
    line.smoothed.y.forEach(see);
    if (line.emphasised) line.raw?.y.forEach(see);
    if (line.band) [...Array.from(line.band.low), ...Array.from(line.band.high)].forEach(see);
  }
  for (const { low: lowest, high: highest } of evaluations) {
    see(lowest);
    see(highest);
  }
  if (threshold) see(threshold.value);
  yRange?.forEach(see);
  if (low > high) return [0, 1];
  // Means that differ in their rounding alone are one figure.
  const same = high - low <= 1e-6 * Math.max(Math.abs(low), Math.abs(high));
  if (low > 0 && (low < high / 2 || same)) return [0, high * 1.04];
  if (same) return [low - 0.5, high + 0.5];
  return [low, high + (high - low) * 0.04];
}

/** Moves labels apart vertically until none covers another; few labels, so quadratic is fine. */
function dodge(labels: Label[], [low, high]: [number, number], height: number): void {
  const perPixel = (high - low) / (height - margins.top - margins.bottom);
  const gap = LABEL_HEIGHT_PX * perPixel;
  labels.sort((a, b) => b.y - a.y);
  for (let i = 1; i < labels.length; i++) {
    const above = labels[i - 1]!;
    const label = labels[i]!;
    if (above.y - label.y < gap) label.y = above.y - gap;
  }
  // What the last labels were pushed below the axis, all of them give back.
  const overflow = low - (labels.at(-1)?.y ?? low);
  if (overflow <= 0) return;
  for (let i = labels.length - 1, floor = low; i >= 0 && labels[i]!.y < floor; i--, floor += gap) {
    labels[i]!.y = floor;
  }
}
