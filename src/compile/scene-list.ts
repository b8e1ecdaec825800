/**
 * What a `draw` function paints: a list of numbers. Its first is the count of shapes, then come records of kind and
 * up to six numbers. Roles are written by name and stored by number.
 */
export const SCENE_RECORD = 7;
export const MAX_SHAPES = 256;
export const SCENE_SIZE = 1 + SCENE_RECORD * MAX_SHAPES;

/** Numbers of the roles, as `paint` takes them. */
export const sceneRoles: readonly string[] = ["ground", "body", "accent", "muted", "good", "bad"];
