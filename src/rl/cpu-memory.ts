import { FulguriteError } from "../gpu/error.ts";
import { formatMegabytes, MemoryPlan } from "../gpu/memory-plan.ts";
import { actionSize } from "../kernels/action-space.ts";
import type { EngineRequest } from "./engine.ts";
import { planKernels } from "./engine-kernels.ts";
import { networkLayout } from "./network.ts";
import { normalizationLength, normalizes } from "./normalization.ts";

/** What a tab's WebAssembly memory and lists of numbers may come to together: the address space of one such memory. */
const LIMIT = 2 ** 32;
/** The longest list of numbers that every browser makes, in bytes. */
const PIECE_LIMIT = 2 ** 31;

/**
 * What the CPU engine would allocate for a job; nothing is made. Throws "cpu/memory" where that is more than a tab has, with
 * what to reduce.
 */
export function planCpuMemory(request: EngineRequest): MemoryPlan {
  const { environment, algorithm, cost = null } = request;
  const { envs, steps, hidden, minibatchSize } = algorithm;
  const plan = new MemoryPlan();
  const rows = envs * steps;
  const note = (label: string, floats: number): void => void plan.createBuffer(label, floats * 4);
  // Parameters, gradients, both moments, and the activations of a block.
  note("network", planKernels(request, networkLayout(environment, algorithm)) / 4);
  note("observations", rows * environment.observationSize);
  if (algorithm.normalizeObservations) note("observations before", rows * environment.observationSize);
  // Of every step nine numbers and its action, a flag, its place in the order, advantage and return; with a cost its advantage and return.
  note("steps", rows * (9 + actionSize(environment) + 0.25 + 1 + 2 + (cost ? 2 : 0)));
  note("environments", envs * (environment.stateFields.length + 8.25));
  if (normalizes(algorithm))
    note("running statistics", normalizationLength(environment.observationSize, envs));
  const largest = plan.largest;
  if (plan.bytes <= LIMIT && largest.bytes <= PIECE_LIMIT) return plan;
  throw new FulguriteError(
    "cpu/memory",
    `This run needs ${formatMegabytes(plan.bytes)} of memory, ${formatMegabytes(largest.bytes)} of them for its ${largest.label}; a tab has ${formatMegabytes(LIMIT)}, and ${formatMegabytes(PIECE_LIMIT)} in one piece.`,
    largest.label === "network"
      ? `Use narrower hidden layers than ${hidden.join(", ")}, or lower minibatchSize (now ${minibatchSize}).`
      : `Use fewer environments (now ${envs}) or fewer steps an update (now ${steps}).`,
  );
}
