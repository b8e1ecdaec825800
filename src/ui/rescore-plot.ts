import * as Plot from "@observablehq/plot";
import type { RewardHistogram } from "../reward/rescore.ts";
import { formatCount, formatFigure } from "./format.ts";

interface Bar {
  readonly x1: number;
  readonly x2: number;
  readonly count: number;
}

/** Distribution of the rewards as they were, filled, and as they would be, drawn over it as a line. */
export function drawRewards({ edges, old, new: edited }: RewardHistogram, width: number): SVGElement {
  const bars = (counts: readonly number[]): Bar[] =>
    counts.map((count, i) => ({ x1: edges[i]!, x2: edges[i + 1]!, count }));
  const outline = bars(edited).flatMap(({ x1, x2, count }) => [
    { x: x1, y: count },
    { x: x2, y: count },
  ]);
  return Plot.plot({
    width,
    height: 176,
    marginTop: 20,
    marginBottom: 32,
    marginLeft: 44,
    marginRight: 8,
    style: { background: "none", fontFamily: "inherit", fontSize: "12px", overflow: "visible" },
    x: {
      label: "reward",
      labelAnchor: "center",
      labelArrow: "none",
      tickSize: 0,
      tickPadding: 8,
      ticks: Math.max(2, Math.floor(width / 120)),
      tickFormat: (value: number) => formatFigure(value),
    },
    y: {
      label: null,
      tickSize: 0,
      tickPadding: 8,
      ticks: 3,
      tickFormat: (value: number) => formatCount(value),
    },
    marks: [
      Plot.gridY({ stroke: "var(--hairline)", strokeOpacity: 1, ticks: 3 }),
      Plot.text(["rollouts"], {
        frameAnchor: "top-left",
        dx: -44,
        dy: -18,
        fill: "var(--ink-quiet)",
      }),
      Plot.rectY(bars(old), { x1: "x1", x2: "x2", y: "count", fill: "var(--ink-faint)", fillOpacity: 0.45 }),
      Plot.line(outline, { x: "x", y: "y", stroke: "var(--series-0)", strokeWidth: 2 }),
      Plot.ruleY([0], { stroke: "var(--ink-faint)" }),
    ],
  }) as SVGElement;
}
