/** Fields that are named; a board of hundreds would hide what is said of them. */
const SHOWN = 12;

/** Whether a number of a state is one of its random numbers' own, which nobody has named. */
export const isRandomField = (field: string): boolean => /^random\[\d\]$/.test(field);

/** A state for people: name and value of its first twelve fields, the state's first at `offset` of `values`. */
export const describeState = (fields: readonly string[], values: ArrayLike<number>, offset = 0): string =>
  fields
    .slice(0, SHOWN)
    .filter((field) => !isRandomField(field))
    .map((field, i) => `${field} ${values[offset + i]!}`)
    .join(", ");
