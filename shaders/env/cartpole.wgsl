#include "common/math.wgsl"
#include "common/philox.wgsl"

// Gymnasium's CartPole-v1 (Barto, Sutton & Anderson 1983): Euler steps of 0.02 s, force +-10 N, ends at
// |x| > 2.4 m or |theta| > 12 degrees. State: x, xDot, theta, thetaDot. Twin: src/env/cartpole.ts. Shader compilers
// turn a division by a constant into a product, so 1 / (total mass of 1.1) is written as one.

fn env_reset(random: vec4u) -> array<f32, 4> {
  return array<f32, 4>(
    random_uniform(random.x) * 0.1 - 0.05,
    random_uniform(random.y) * 0.1 - 0.05,
    random_uniform(random.z) * 0.1 - 0.05,
    random_uniform(random.w) * 0.1 - 0.05,
  );
}

fn env_step(state: ptr<function, array<f32, 4>>, action: u32) -> EnvStep {
  let x = (*state)[0];
  let x_dot = (*state)[1];
  let theta = (*state)[2];
  let theta_dot = (*state)[3];
  let force = select(-10.0, 10.0, action == 1u);
  let turn = math_sin_cos(theta);
  let sine = turn.x;
  let cosine = turn.y;
  let pushed = (force + ((0.05 * theta_dot) * theta_dot) * sine) * 0.90909094;
  let theta_acceleration =
    (9.8 * sine - cosine * pushed) / (0.5 * (1.3333334 - ((0.1 * cosine) * cosine) * 0.90909094));
  let x_acceleration = pushed - ((0.05 * theta_acceleration) * cosine) * 0.90909094;
  let next_x = x + 0.02 * x_dot;
  let next_theta = theta + 0.02 * theta_dot;
  (*state)[0] = next_x;
  (*state)[1] = x_dot + 0.02 * x_acceleration;
  (*state)[2] = next_theta;
  (*state)[3] = theta_dot + 0.02 * theta_acceleration;
  let terminated = abs(next_x) > 2.4 || abs(next_theta) > 0.20943951;
  return EnvStep(1.0, select(0u, 1u, terminated));
}

fn env_observe(state: ptr<function, array<f32, 4>>) -> array<f32, 4> {
  return *state;
}
