enable subgroups;
diagnostic(off, subgroup_uniformity);

// Four lanes that need the same block load a column of it each. All four must be there: no lane of a quad may have
// returned or branched off before.
fn spread(column: vec4f) -> mat4x4f {
  return mat4x4f(
    quadBroadcast(column, 0u),
    quadBroadcast(column, 1u),
    quadBroadcast(column, 2u),
    quadBroadcast(column, 3u),
  );
}
