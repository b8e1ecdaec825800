// Workgroups in one line: counts above 65,535 spill into y.
fn linear_workgroup(id: vec3u, count: vec3u) -> u32 {
  return id.y * count.x + id.x;
}
