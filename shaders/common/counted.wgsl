// Whether a row counts: behind the end of a whole episode none does.
fn counts(row: u32) -> bool {
#if WHOLE
  return bitcast<f32>(transitions[SHARE + row]) > 0.0;
#else
  return true;
#end
}
