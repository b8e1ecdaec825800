import type { FunctionTexts } from "../compile/program.ts";
import { SCENE_RECORD, SCENE_SIZE, sceneRoles } from "../compile/scene-list.ts";
import type { Role, Scene, Shape } from "./environment.ts";

const record = (kind: number, fields: readonly string[]): string =>
  `(scene, ${fields.join(", ")}) => {
    const count = scene[0];
    const at = 1 + ${SCENE_RECORD} * count;
    if (at + ${SCENE_RECORD} > ${SCENE_SIZE}) return;
    scene[at] = ${kind};
    ${fields.map((field, i) => `scene[at + ${i + 1}] = ${field};`).join(" ")}
    scene[0] = count + 1;
  }`;

/** What `paint.line` and the others of a `draw` function do: a record each, in a list of numbers. */
export const painterFunctions: FunctionTexts = {
  "paint.line": { source: record(0, ["x0", "y0", "x1", "y1", "width", "role"]) },
  "paint.rect": { source: record(1, ["x", "y", "width", "height", "role"]) },
  "paint.circle": { source: record(2, ["x", "y", "radius", "role"]) },
};

/** The shapes of a list that a `draw` function wrote. */
export function shapesOf(scene: ArrayLike<number>): Shape[] {
  const shapes: Shape[] = [];
  for (let i = 0; i < scene[0]!; i++) {
    const at = 1 + SCENE_RECORD * i;
    const n = (k: number): number => scene[at + 1 + k]!;
    const role = (k: number): Role => (sceneRoles[n(k)] ?? "body") as Role;
    if (scene[at] === 0) {
      shapes.push({ kind: "line", from: [n(0), n(1)], to: [n(2), n(3)], width: n(4), role: role(5) });
    } else if (scene[at] === 1) {
      shapes.push({ kind: "rect", center: [n(0), n(1)], size: [n(2), n(3)], role: role(4) });
    } else shapes.push({ kind: "circle", center: [n(0), n(1)], radius: n(2), role: role(3) });
  }
  return shapes;
}

/** A scene for a state that nobody has said how to draw: a bar for each of its numbers, squeezed into [-1, 1]. */
export function barScene(state: ArrayLike<number>, offset: number, size: number): Scene {
  const count = Math.min(size, 48);
  const shapes: Shape[] = [
    { kind: "line", from: [-0.2, 0], to: [count + 0.2, 0], width: 0.02, role: "ground" },
  ];
  for (let i = 0; i < count; i++) {
    const value = state[offset + i]!;
    const height = value / (1 + Math.abs(value));
    shapes.push({
      kind: "rect",
      center: [i + 0.5, (height * count) / 8],
      size: [0.6, Math.max((Math.abs(height) * count) / 4, 0.02)],
      role: "accent",
    });
  }
  return { view: [-0.2, -count / 4, count + 0.2, count / 4], shapes };
}
