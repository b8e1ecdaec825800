/** Fields that are named; a board of hundreds would hide what is said of them. */
const SHOWN = 12;

/** A state for people: name and value of its first twelve fields, the state's first at `offset` of `values`. */
export const describeState = (fields: readonly string[], values: ArrayLike<number>, offset = 0): string =>
  fields
    .slice(0, SHOWN)
    .map((field, i) => `${field} ${values[offset + i]!}`)
    .join(", ");
