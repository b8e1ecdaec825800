import { emitWgsl, type WgslEntry } from "../compile/wgsl.ts";
import { actionSize, type ActionSpace } from "./environment.ts";
import type { LoweredEnvironment } from "./lower-environment.ts";
import { ENVIRONMENT_TAG } from "./twin.ts";

/** The WGSL of a compiled environment, as `Environment.wgsl` describes it. */
export function environmentWgsl(lowered: LoweredEnvironment, actions: ActionSpace): string {
  const { folded, layout, stateFields, randomAt, observationSize } = lowered;
  const entry = (source: WgslEntry["source"], ...names: string[]): WgslEntry => ({
    source,
    name: source.name,
    names,
    byValue: false,
  });
  const entries = [entry(folded.reset, "s"), entry(folded.step, "s", "a")];
  if (folded.observe) entries.push(entry(folded.observe, "s", "list"));
  if (folded.done) entries.push(entry(folded.done, "s"));
  if (folded.allowed) entries.push(entry(folded.allowed, "s", "a"));
  for (const reward of folded.rewards) entries.push(entry(reward, "s", "a", "next"));

  const all = `array<f32, ${stateFields.length}>`;
  const own = `array<f32, ${layout.size}>`;
  const padded = stateFields.length !== layout.size;
  // The hidden numbers lie behind the fields; the compiled functions know only those.
  const fields = (from: string, to: string): string =>
    padded
      ? `  var ${to}: ${own};\n  for (var i = 0u; i < ${layout.size}u; i++) { ${to}[i] = ${from}[i]; }`
      : `  var ${to} = ${from};`;
  const generator = (key: string, draws: string): string =>
    `  var generator = env_generator(${key}, ${draws});`;
  const save = (to: string): string[] =>
    randomAt === null
      ? []
      : [
          `  ${to}[${randomAt}] = f32(generator.key.x);`,
          `  ${to}[${randomAt + 1}] = f32(generator.key.y);`,
          `  ${to}[${randomAt + 2}] = f32(generator.draws);`,
        ];
  const draws = folded.reset.draws || folded.step.draws;
  const texts: string[] = [];
  if (draws) {
    texts.push(
      '#include "common/philox.wgsl"',
      "struct env_generator {\n  key: vec2u,\n  draws: u32,\n}",
      [
        "fn env_draw(generator: ptr<function, env_generator>) -> f32 {",
        `  let word = philox(vec4u((*generator).draws, 0u, ${ENVIRONMENT_TAG}u, 0u), (*generator).key).x;`,
        "  (*generator).draws++;",
        "  return random_uniform(word);",
        "}",
      ].join("\n"),
    );
  }
  texts.push(emitWgsl(entries, "env"));
  texts.push(
    [
      `fn env_reset(random: vec4u) -> ${all} {`,
      `  var state = ${all}();`,
      fields("state", "fields"),
      draws ? generator("vec2u(random.x >> 8u, random.y >> 8u)", "0u") : "",
      `  env_initial(&fields${folded.reset.draws ? ", &generator" : ""});`,
      `  for (var i = 0u; i < ${layout.size}u; i++) { state[i] = fields[i]; }`,
      ...save("state"),
      "  return state;",
      "}",
    ].join("\n"),
  );
  const dimensions = actionSize({ actionCount: 0, actions });
  const [type, a] =
    dimensions > 1
      ? [`array<f32, ${dimensions}>`, "&a"]
      : [actions.kind === "continuous" ? "f32" : "u32", "a"];
  const rewards = folded.rewards.map(({ name }) => `${name}(&before, ${a}, &fields)`);
  texts.push(
    [
      `fn env_step(state: ptr<function, ${all}>, action: ${type}) -> EnvStep {`,
      dimensions > 1 ? "  var a = action;" : "  let a = f32(action);",
      fields("(*state)", "fields"),
      rewards.length > 0 ? "  var before = fields;" : "",
      randomAt === null
        ? ""
        : generator(
            `vec2u(u32((*state)[${randomAt}]), u32((*state)[${randomAt + 1}]))`,
            `u32((*state)[${randomAt + 2}])`,
          ),
      `  env_next(&fields, ${a}${folded.step.draws ? ", &generator" : ""});`,
      `  for (var i = 0u; i < ${layout.size}u; i++) { (*state)[i] = fields[i]; }`,
      ...save("(*state)"),
      `  let terminated = ${folded.done ? "env_done(&fields)" : "false"};`,
      `  return EnvStep(${rewards.join(" + ") || "0.0"}, select(0u, 1u, terminated));`,
      "}",
    ].join("\n"),
  );
  const observed = `array<f32, ${observationSize}>`;
  texts.push(
    [
      `fn env_observe(state: ptr<function, ${all}>) -> ${observed} {`,
      fields("(*state)", "fields"),
      ...(folded.observe
        ? [
            `  var observation: ${observed};`,
            "  env_observation(&fields, &observation);",
            "  return observation;",
          ]
        : ["  return fields;"]),
      "}",
    ].join("\n"),
  );
  if (folded.allowed && actions.kind === "discrete") {
    texts.push(
      [
        `fn env_mask(state: ptr<function, ${all}>) -> u32 {`,
        fields("(*state)", "fields"),
        "  var bits = 0u;",
        `  for (var a = 0u; a < ${actions.count}u; a++) {`,
        "    bits |= select(0u, 1u, env_allowed(&fields, f32(a))) << a;",
        "  }",
        "  return bits;",
        "}",
      ].join("\n"),
    );
  }
  return texts
    .map((text) => text.replace(/\n\n+/g, (gap) => gap))
    .join("\n\n")
    .replace(/\n\s*\n\s*(?= {2})/g, "\n");
}
