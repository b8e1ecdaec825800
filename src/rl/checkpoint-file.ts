import type { Environment } from "../env/environment.ts";
import { FulguriteError } from "../gpu/error.ts";
import type { ParameterLayout } from "../nn/parameter-layout.ts";
import { decodeTensors, encodeTensors, type Tensor } from "../nn/safetensors.ts";
import type { PolicyGradientConfig } from "./config.ts";
import type { TrainingState } from "./engine.ts";
import { networkLayout } from "./network.ts";
import { completeConfig } from "./resolve-config.ts";

/** What a checkpoint file says beside its tensors. */
export interface CheckpointHeader {
  /** Name of the environment. */
  readonly environment: string;
  readonly algorithm: PolicyGradientConfig;
  readonly seed: number;
}

type Space = Pick<Environment, "name" | "observationSize" | "actionCount" | "actions">;
type FlatName = Exclude<
  keyof TrainingState,
  "version" | "update" | "optimizerStep" | "hosts" | (typeof arenas)[number]
>;

const FORMAT = "fulgurite-checkpoint";
const arenas = ["parameters", "firstMoment", "secondMoment"] as const;

/**
 * A training state as a safetensors file: the network's tensors by name (`actor.0.weight`), the optimizer's under
 * `firstMoment.` and `secondMoment.`, what else a run needs to go on under `state.`, and a JSON header with environment,
 * algorithm and seed.
 */
export function encodeCheckpoint(
  environment: Space,
  { algorithm, seed }: Omit<CheckpointHeader, "environment">,
  state: TrainingState,
): Uint8Array<ArrayBuffer> {
  const layout = networkLayout(environment, algorithm);
  const tensors = new Map<string, Tensor>();
  for (const arena of arenas) {
    for (const { name, shape, offset, length } of layout.tensors) {
      const key = arena === "parameters" ? name : `${arena}.${name}`;
      tensors.set(key, { shape, data: state[arena].slice(offset, offset + length) });
    }
  }
  for (const [name, value] of Object.entries(state)) {
    if (!(value instanceof Float32Array || value instanceof Uint32Array)) continue;
    if (arenas.includes(name as (typeof arenas)[number])) continue;
    tensors.set(`state.${name}`, { shape: [value.length], data: value });
  }
  const { update, optimizerStep } = state;
  return encodeTensors({
    tensors,
    metadata: {
      format: FORMAT,
      version: "1",
      environment: environment.name,
      seed: String(seed),
      update: String(update),
      optimizerStep: String(optimizerStep),
      algorithm: JSON.stringify(algorithm),
      ...(state.hosts && { hosts: state.hosts }),
    },
  });
}

/** What a file says of itself, to look up its environment. Throws "rl/checkpoint-file" and "nn/safetensors". */
export function readCheckpointHeader(file: Uint8Array): CheckpointHeader {
  const { metadata } = decodeTensors(file);
  if (metadata["format"] !== FORMAT || metadata["version"] !== "1")
    refused("it was not saved as a checkpoint");
  try {
    return {
      environment: metadata["environment"]!,
      algorithm: completeConfig(JSON.parse(metadata["algorithm"]!) as PolicyGradientConfig),
      seed: Number(metadata["seed"]),
    };
  } catch {
    return refused("its header is damaged");
  }
}

/** The training state of a file, for an engine's `load`. Throws where a tensor is missing or has another shape. */
export function decodeCheckpoint(environment: Space, file: Uint8Array): TrainingState {
  const header = readCheckpointHeader(file);
  const { tensors, metadata } = decodeTensors(file);
  if (header.environment !== environment.name) refused(`it is of ${header.environment}`);
  const layout = networkLayout(environment, header.algorithm);
  const flat = new Map<string, Float32Array | Uint32Array>();
  for (const [name, { data }] of tensors) if (name.startsWith("state.")) flat.set(name.slice(6), data);
  const optional = (["normalization", "episodeCost", "multiplier"] as const).filter((name) => flat.has(name));
  const float = (name: FlatName): Float32Array => {
    const data = flat.get(name);
    return data instanceof Float32Array ? data : refused(`${name} is missing`);
  };
  const lengths = flat.get("episodeLength");
  return {
    version: 1,
    update: Number(metadata["update"]),
    optimizerStep: Number(metadata["optimizerStep"]),
    parameters: gather(tensors, layout, ""),
    firstMoment: gather(tensors, layout, "firstMoment."),
    secondMoment: gather(tensors, layout, "secondMoment."),
    environmentState: float("environmentState"),
    episodeReturn: float("episodeReturn"),
    environmentReturn: float("environmentReturn"),
    episodeLength: lengths instanceof Uint32Array ? lengths : refused("episodeLength is missing"),
    ...Object.fromEntries(optional.map((name) => [name, float(name)])),
    ...(metadata["hosts"] !== undefined && { hosts: metadata["hosts"] }),
  };
}

function gather(tensors: ReadonlyMap<string, Tensor>, layout: ParameterLayout, prefix: string): Float32Array {
  const arena = new Float32Array(layout.length);
  for (const { name, shape, offset } of layout.tensors) {
    const tensor = tensors.get(prefix + name);
    if (!tensor) refused(`${prefix}${name} is missing`);
    if (tensor.shape.join() !== shape.join()) {
      refused(`${prefix}${name} is [${tensor.shape.join(", ")}], not [${shape.join(", ")}]`);
    }
    arena.set(tensor.data, offset);
  }
  return arena;
}

function refused(why: string): never {
  throw new FulguriteError(
    "rl/checkpoint-file",
    `This checkpoint cannot be loaded: ${why}.`,
    "Choose a checkpoint that was saved from a run in this environment.",
  );
}
