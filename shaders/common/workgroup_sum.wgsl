// The sum over all lanes of a workgroup, in lane order within each halving; every lane gets it. `Sum` is an alias of
// whoever includes this.
const LANES: u32 = WORKGROUP;
var<workgroup> shared_sums: array<Sum, LANES>;

fn workgroup_sum(lane: u32, value: Sum) -> Sum {
  workgroupBarrier();
  shared_sums[lane] = value;
  workgroupBarrier();
  for (var half = LANES / 2u; half > 0u; half /= 2u) {
    if (lane < half) {
      shared_sums[lane] += shared_sums[lane + half];
    }
    workgroupBarrier();
  }
  return shared_sums[0];
}
