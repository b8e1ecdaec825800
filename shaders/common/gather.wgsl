// Samples of a minibatch, through the shuffled indices. The last block repeats the last sample where the batch
// does not fill it; the loss gives those repeats no gradient.
fn gather_rows(sample_block: u32) -> vec4u {
  let s = min(vec4u(sample_block * 4u) + vec4u(0u, 1u, 2u, 3u), vec4u(BATCH - 1u)) + scalars.index_offset;
  return vec4u(indices[s.x], indices[s.y], indices[s.z], indices[s.w]);
}

#if FIRST
fn gather_block(rows: vec4u, k: u32) -> mat4x4f {
  let at = rows * OBSERVATION_BLOCKS + k;
  return mat4x4f(observations[at.x], observations[at.y], observations[at.z], observations[at.w]);
}
#end
