import type { GpuDevice } from "../gpu/device.ts";
import { linearVariants, probeLinearVariant, type LinearVariant } from "../kernels/linear-probe.ts";
import type { EngineRequest } from "../rl/engine.ts";
import { policyWork, probePolicyVariant } from "../rl/policy-probe.ts";
import { policyVariants, type PolicyVariant } from "../rl/policy-variant.ts";
import type { LightningStore } from "../store/records.ts";
import type { EngineTerms } from "./run-controller.ts";

/** Work that there are several kernels for. */
interface Work<Variant extends string> {
  /** The setting that the store keeps the fastest under. */
  readonly key: string;
  /** What the adapter has; the first needs no measurement. */
  readonly variants: readonly Variant[];
  readonly probe: (now: () => number) => Promise<Variant>;
}

/** What was measured in this realm. */
const measured = new Map<string, string>();
/** What is to be measured when nothing trains, by adapter's key. */
const wanted = new Map<string, { readonly gpu: GpuDevice; readonly work: Work<string> }>();
const MOST_WANTED = 8;

function want(gpu: GpuDevice, work: Work<string>): void {
  wanted.delete(work.key);
  wanted.set(work.key, { gpu, work });
  for (const oldest of wanted.keys()) if (wanted.size > MOST_WANTED) wanted.delete(oldest);
}

/** The pinned one where the adapter has it, else the fastest as far as it was measured, else the usual one. */
async function choose<Variant extends string>(
  gpu: GpuDevice,
  work: Work<Variant>,
  { variant: pinned, setting }: Pick<EngineTerms, "variant" | "setting">,
): Promise<Variant> {
  const available = (name: unknown): Variant | undefined => work.variants.find((it) => it === name);
  const known = available(pinned) ?? available(measured.get(work.key) ?? (await setting?.(work.key)));
  if (known === undefined) want(gpu, work);
  return known ?? work.variants[0]!;
}

const languageWork = (gpu: GpuDevice): Work<LinearVariant> => ({
  key: `kernels of ${gpu.adapter}`,
  variants: linearVariants,
  probe: (now) => probeLinearVariant(gpu, now),
});

/** Of a language policy's matrix kernels. */
export const languageVariant = (gpu: GpuDevice, terms: EngineTerms): Promise<LinearVariant> =>
  choose(gpu, languageWork(gpu), terms);

/** Of the kernels of a simulated run's minibatches. */
export const policyVariant = (
  gpu: GpuDevice,
  request: EngineRequest,
  terms: EngineTerms,
): Promise<PolicyVariant> =>
  choose(
    gpu,
    {
      key: `kernels of ${gpu.adapter} for ${policyWork(request)}`,
      variants: policyVariants(gpu),
      probe: (now) => probePolicyVariant(gpu, request, now),
    },
    terms,
  );

/**
 * Finds out which kernels are the fastest for what ran here without a measurement, and for language policies, for runs
 * that start later: once an adapter and kind of work, then the store knows. To be called when nothing trains.
 */
export async function probeKernels(store: LightningStore, now: () => number, gpu: GpuDevice): Promise<void> {
  await choose(gpu, languageWork(gpu), { variant: null, setting: (key) => store.setting(key) });
  for (const [key, { gpu: own, work }] of [...wanted]) {
    wanted.delete(key);
    if (own !== gpu) continue;
    const fastest = await work.probe(now);
    measured.set(key, fastest);
    await store.setSetting(key, fastest);
  }
}
