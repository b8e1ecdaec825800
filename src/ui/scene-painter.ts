import type { Role, Scene, Shape } from "../env/environment.ts";

export type Palette = Readonly<Record<Role, string>>;

/** Where world coordinates land on a canvas of `width` x `height` CSS pixels. */
export interface Camera {
  /** Pixels a world unit. */
  readonly scale: number;
  readonly x: number;
  readonly y: number;
}

/** Shows the whole view rectangle, as large as it fits; what is left over goes mostly above, as sky. */
export function cameraFor(scene: Scene, width: number, height: number): Camera {
  const [left, bottom, right, top] = scene.view;
  const scale = Math.min(width / (right - left), height / (top - bottom));
  const spareX = width - (right - left) * scale;
  const spareY = height - (top - bottom) * scale;
  return { scale, x: spareX / 2 - left * scale, y: height - spareY * 0.3 + bottom * scale };
}

/** Paints the shapes that `wants` lets through, `opacity` in (0, 1]. */
export function paintShapes(
  context: CanvasRenderingContext2D,
  scene: Scene,
  camera: Camera,
  palette: Palette,
  opacity: number,
  wants: (shape: Shape) => boolean,
): void {
  const x = (world: number): number => camera.x + world * camera.scale;
  // Ground that reaches the edge of the view goes on to the edge of the canvas.
  const edge = (world: number): number =>
    world <= scene.view[0] ? 0 : world >= scene.view[2] ? context.canvas.width : x(world);
  const y = (world: number): number => camera.y - world * camera.scale;
  context.globalAlpha = opacity;
  for (const shape of scene.shapes) {
    if (!wants(shape)) continue;
    const colour = palette[shape.role];
    context.beginPath();
    switch (shape.kind) {
      case "line":
        context.moveTo(shape.role === "ground" ? edge(shape.from[0]) : x(shape.from[0]), y(shape.from[1]));
        context.lineTo(shape.role === "ground" ? edge(shape.to[0]) : x(shape.to[0]), y(shape.to[1]));
        context.lineWidth = Math.max(1, shape.width * camera.scale);
        context.lineCap = shape.role === "ground" ? "butt" : "round";
        context.strokeStyle = colour;
        context.stroke();
        break;
      case "rect": {
        const width = shape.size[0] * camera.scale;
        const height = shape.size[1] * camera.scale;
        context.roundRect(
          x(shape.center[0]) - width / 2,
          y(shape.center[1]) - height / 2,
          width,
          height,
          Math.min(width, height) * 0.16,
        );
        context.fillStyle = colour;
        context.fill();
        break;
      }
      case "circle":
        context.arc(x(shape.center[0]), y(shape.center[1]), shape.radius * camera.scale, 0, 2 * Math.PI);
        context.fillStyle = colour;
        context.fill();
        break;
    }
  }
  context.globalAlpha = 1;
}
