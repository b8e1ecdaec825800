fn is_allowed(id: u32) -> bool {
  return ((allowed[id / 32u] >> (id % 32u)) & 1u) == 1u;
}
