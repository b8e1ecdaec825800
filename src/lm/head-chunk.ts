/**
 * Ids up to which a training pass writes out the logits of all of them, the quicker way where there is room: a third of
 * the head's work is not done twice.
 */
export const defaultHeadIds = 2048;

/**
 * Ids of a chunk of the head, the last of which may have fewer: all where they are no more than `headIds`, else equal
 * parts that are multiples of 8.
 */
export function headChunk(ids: number, headIds: number): number {
  return ids <= headIds ? ids : 8 * Math.ceil(ids / Math.ceil(ids / headIds) / 8);
}
