// What one rollout leaves for training: sections of STEPS x ENVS 32-bit elements, row t x ENVS + env; f32 where
// nothing else is said.
const TRANSITIONS: u32 = STEPS * ENVS;
// The action taken (u32, of a Gaussian policy f32 and before it is kept within bounds: `action_section` says where its
// dimensions are), and u32 the mask of allowed ones (bit a; only where MASKED).
const ACTION: u32 = 0u;
const MASK: u32 = TRANSITIONS;
const LOG_PROBABILITY: u32 = 2u * TRANSITIONS;
const REWARD: u32 = 3u * TRANSITIONS;
// u32: 1 terminated, 2 truncated by the time limit.
const ENDED: u32 = 4u * TRANSITIONS;
// Value of the last observation of a truncated episode, else 0.
const FINAL_VALUE: u32 = 5u * TRANSITIONS;
const ADVANTAGE: u32 = 6u * TRANSITIONS;
const RETURN: u32 = 7u * TRANSITIONS;
// STEPS + 1 rows: the last one is the value of the observation after the rollout.
const VALUE: u32 = 8u * TRANSITIONS;
// Only of whole episodes: a step's weight in a mean, 0 behind the end.
const SHARE: u32 = 9u * TRANSITIONS + ENVS;
// Only with a cost: what REWARD, FINAL_VALUE, RETURN and VALUE are of the reward.
const COST: u32 = SHARE + TRANSITIONS;
const FINAL_COST_VALUE: u32 = SHARE + 2u * TRANSITIONS;
const COST_RETURN: u32 = SHARE + 3u * TRANSITIONS;
const COST_VALUE: u32 = SHARE + 4u * TRANSITIONS;

// Of an action of several numbers the first is in ACTION, the others are behind everything else.
fn action_section(dimension: u32) -> u32 {
  return select(ACTION, SHARE + (4u + dimension) * TRANSITIONS + ENVS, dimension > 0u);
}

// Held as u32: small integers would be subnormal floats, which an adapter may flush to zero.
fn transition_bits(section: u32, rows: vec4u) -> vec4u {
  let at = rows + section;
  return vec4u(transitions[at.x], transitions[at.y], transitions[at.z], transitions[at.w]);
}

fn transition(section: u32, rows: vec4u) -> vec4f {
  return bitcast<vec4f>(transition_bits(section, rows));
}
