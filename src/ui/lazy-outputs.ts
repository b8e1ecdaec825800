/**
 * Views of outputs that are not there at the first paint: each element is defined when the first of its kind is on the
 * page. Until then it is an empty element whose properties wait for it.
 */
const views: Readonly<Record<string, () => Promise<unknown>>> = {
  "fulgurite-run": () => import("./run.ts"),
  "fulgurite-recorded-run": () => import("./recorded-run.ts"),
  "fulgurite-environment": () => import("./environment-view.ts"),
  "fulgurite-composite-reward": () => import("./rescore.ts"),
  "fulgurite-input": () => import("./input.ts"),
  "fulgurite-table": () => import("./table.ts"),
  "fulgurite-plot": () => import("./plot.ts"),
  "fulgurite-image": () => import("./image.ts"),
  "fulgurite-sweep": () => import("./sweep.ts"),
  "fulgurite-diff": () => import("./diff.ts"),
  "fulgurite-trace": () => import("./trace.ts"),
};

/** Loads the element of an output's view, where it is one of these. */
export function loadView(view: string): void {
  void views[`fulgurite-${view}`]?.().catch(() => undefined);
}
