/** One line of a picture: a name at its end, [x, y] points. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [number, number])[];
}

export interface Picture {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** Drawn as a dashed line with this label. */
  readonly mark?: { readonly value: number; readonly label: string };
  readonly lines: readonly Line[];
}

const [width, height] = [720, 320];
const inner = { left: 56, right: width - 72, top: 36, bottom: height - 40 };
/** Okabe and Ito's palette, readable by the colour-blind, on light and dark. */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

const escape = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const short = (value: number): string =>
  Math.abs(value) >= 1000
    ? `${Number((value / 1000).toPrecision(3))}k`
    : String(Number(value.toPrecision(3)));

/** About `count` round numbers between two. */
function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((s) => s >= rough)!;
  const out: number[] = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * step; k++) out.push(k * step);
  return out;
}

/** A learning curve as an SVG that reads on a light and on a dark page. */
export function curveSvg({ title, x, y, mark, lines }: Picture): string {
  const all = lines.flatMap((line) => line.points);
  const ys = [...all.map((point) => point[1]), ...(mark ? [mark.value] : [])];
  const [lowX, highX] = [0, Math.max(...all.map((point) => point[0]))];
  const pad = (Math.max(...ys) - Math.min(...ys)) * 0.05 || 1;
  const [lowY, highY] = [Math.min(...ys) - pad, Math.max(...ys) + pad];
  const atX = (v: number): number =>
    inner.left + ((v - lowX) / (highX - lowX || 1)) * (inner.right - inner.left);
  const atY = (v: number): number =>
    inner.bottom - ((v - lowY) / (highY - lowY)) * (inner.bottom - inner.top);
  const n = (v: number): string => v.toFixed(1);
  const parts = [
    ...ticks(lowX, highX, 6).map(
      (t) =>
        `<text x="${n(atX(t))}" y="${inner.bottom + 16}" text-anchor="middle" class="t">${short(t)}</text>`,
    ),
    ...ticks(lowY, highY, 5).map(
      (t) =>
        `<line x1="${inner.left}" x2="${inner.right}" y1="${n(atY(t))}" y2="${n(atY(t))}" class="g"/><text x="${inner.left - 8}" y="${n(atY(t) + 4)}" text-anchor="end" class="t">${short(t)}</text>`,
    ),
    `<text x="${inner.right}" y="${height - 8}" text-anchor="end" class="t">${escape(x)}</text>`,
    `<text x="${inner.left - 48}" y="${inner.top - 12}" class="t">${escape(y)}</text>`,
    `<text x="${inner.left}" y="18" class="h">${escape(title)}</text>`,
  ];
  if (mark) {
    parts.push(
      `<line x1="${inner.left}" x2="${inner.right}" y1="${n(atY(mark.value))}" y2="${n(atY(mark.value))}" class="m"/>`,
      `<text x="${inner.left + 6}" y="${n(atY(mark.value) - 5)}" class="t">${escape(mark.label)}</text>`,
    );
  }
  // Names at the lines' ends, pushed apart where they would touch.
  const ends = lines
    .map((line, i) => ({ line, i, y: atY(line.points.at(-1)?.[1] ?? lowY) }))
    .sort((a, b) => a.y - b.y);
  ends.forEach((end, k) => {
    const above = ends[k - 1];
    if (above) end.y = Math.max(end.y, above.y + 13);
  });
  for (const { line, i, y: labelY } of ends) {
    const colour = colours[i % colours.length]!;
    const path = line.points
      .map(([px, py], k) => `${k === 0 ? "M" : "L"}${n(atX(px))} ${n(atY(py))}`)
      .join("");
    parts.push(
      `<path d="${path}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      `<text x="${inner.right + 6}" y="${n(labelY + 4)}" class="t" style="fill:${colour}">${escape(line.name)}</text>`,
    );
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escape(title).replaceAll('"', "&quot;")}">
<style>.t{font:12px system-ui,sans-serif;fill:#777}.h{font:600 14px system-ui,sans-serif;fill:#777}.g{stroke:#7773}.m{stroke:#777;stroke-dasharray:4 3}</style>
${parts.join("\n")}
</svg>
`;
}
