import type { Kernel } from "../../../src/gpu/kernel.ts";
import { StaticPlan, type Dispatch } from "../../../src/gpu/plan.ts";
import type { ShaderOptions } from "../../../src/gpu/shader-source.ts";
import { bindNamedKernel, compileNamedKernel, type NamedKernel } from "../../../src/kernels/named-kernel.ts";
import { gpu, read } from "../support.ts";

/** The shapes every kernel is tried on: rows, environments or samples; none but one is a multiple of a tile. */
export const kernelSizes = [1, 7, 63, 65, 257] as const;

export type Words = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

export const floatsOf = (words: Words): Float32Array<ArrayBuffer> => new Float32Array(words.buffer);
export const wordsOf = (words: Words): Uint32Array<ArrayBuffer> => new Uint32Array(words.buffer);

/** What a dispatch must leave behind, element by element; whatever is not named here must stay as it was. */
export class Expectation {
  readonly floats = new Map<string, Map<number, number>>();
  readonly words = new Map<string, Map<number, number>>();
  readonly anything = new Map<string, Set<number>>();

  float(buffer: string, at: number, value: number): void {
    put(this.floats, buffer, at, value);
  }

  /** Bit for bit. */
  word(buffer: string, at: number, value: number): void {
    put(this.words, buffer, at, value >>> 0);
  }

  /** Padding that a kernel may fill as it likes. */
  free(buffer: string, from: number, to: number): void {
    const places = this.anything.get(buffer) ?? new Set();
    this.anything.set(buffer, places);
    for (let at = from; at < to; at++) places.add(at);
  }
}

function put(map: Map<string, Map<number, number>>, buffer: string, at: number, value: number): void {
  const places = map.get(buffer) ?? new Map<number, number>();
  map.set(buffer, places);
  places.set(at, value);
}

/** One dispatch of one kernel in one variant, its inputs, and what its f64 reference says must come of them. */
export interface KernelCase {
  readonly kernel: Kernel | NamedKernel;
  readonly constants: NonNullable<ShaderOptions["constants"]>;
  readonly parts?: NonNullable<ShaderOptions["parts"]>;
  readonly invocations: number;
  readonly workgroup: number;
  /** The uniform slot, where the kernel has one. */
  readonly slot?: ArrayBuffer;
  /** What every binding but the slot holds before, by name and in order. */
  readonly buffers: Readonly<Record<string, Words>>;
  readonly expected: Expectation;
  /** Times the largest expected float of a buffer; default 1e-5. */
  readonly tolerance?: number;
}

/** Why there is no case of that size, or on that adapter; tests hold `shown` to be true. */
export interface Absence {
  readonly absent: string;
  readonly shown: boolean;
}

export type MakeCase = (size: number) => KernelCase | Absence;

/** Where the adapter's subgroups do not let four lanes share their loads. */
export const withoutQuads = (): Absence => ({
  absent: "the adapter has no subgroups of four lanes",
  shown: !gpu!.canShareQuads,
});

/** A shader's variants. */
export interface KernelTest {
  readonly shader: string;
  readonly variants: Readonly<Record<string, MakeCase>>;
  /** Variants that must leave the same bits as another one. */
  readonly sameBits?: Readonly<Record<string, string>>;
  /** Variants that `npm test` leaves to `npm run proof`: slow to compile, and held to the CPU engine elsewhere. */
  readonly proofOnly?: readonly string[];
  /** A text of the shader that occurs once in the first variant, and what makes it wrong. */
  readonly fault: readonly [find: string, replace: string];
}

/** Runs the case; returns what every buffer holds after it. */
export async function runCase(c: KernelCase): Promise<Record<string, Words>> {
  const plan = new StaticPlan(gpu!);
  const { queue } = gpu!.device;
  try {
    const slot = c.slot && plan.slots(1);
    if (slot) queue.writeBuffer(slot, 0, c.slot!);
    const buffers = Object.entries(c.buffers).map(([name, words]) => {
      const buffer = plan.storage(name, words.length);
      queue.writeBuffer(buffer, 0, words);
      return [name, buffer] as const;
    });
    let dispatch: Dispatch;
    if ("names" in c.kernel) {
      const compiled = await compileNamedKernel(gpu!, c.kernel, c.workgroup);
      dispatch = bindNamedKernel(plan, compiled, slot!, Object.fromEntries(buffers));
    } else {
      dispatch = await plan.stage({
        ...{ kernel: c.kernel, constants: c.constants, workgroup: c.workgroup, invocations: c.invocations },
        ...(c.parts ? { parts: c.parts } : {}),
        buffers: [...(slot ? [slot] : []), ...buffers.map(([, buffer]) => buffer)],
      });
    }
    const encoder = gpu!.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    plan.encodeSized(pass, dispatch, 0, c.invocations);
    pass.end();
    gpu!.submit(encoder);
    const after: Record<string, Words> = {};
    for (const [name, buffer] of buffers) after[name] = await read(buffer, c.buffers[name]!.length);
    gpu!.check();
    return after;
  } finally {
    plan.dispose();
  }
}

/** Null, or the first thing that is not as it must be. */
export function disagreement(c: KernelCase, after: Readonly<Record<string, Words>>): string | null {
  for (const [name, before] of Object.entries(c.buffers)) {
    const floats = c.expected.floats.get(name);
    const words = c.expected.words.get(name);
    const anything = c.expected.anything.get(name);
    const largest = floats ? Math.max(...[...floats.values()].map(Math.abs)) : 0;
    const allowed = (c.tolerance ?? 1e-5) * largest;
    const bits = wordsOf(after[name]!);
    const was = wordsOf(before);
    const values = floatsOf(after[name]!);
    for (let at = 0; at < was.length; at++) {
      const float = floats?.get(at);
      const word = words?.get(at);
      if (float !== undefined) {
        if (!(Math.abs(values[at]! - float) <= allowed + 1e-4 * Math.abs(float))) {
          return `${name}[${at}] is ${values[at]}, not ${float}`;
        }
      } else if (word !== undefined) {
        if (bits[at] !== word) return `${name}[${at}] is ${bits[at]}, not ${word}`;
      } else if (bits[at] !== was[at] && !anything?.has(at)) {
        return `${name}[${at}] was overwritten: ${values[at]}`;
      }
    }
  }
  const total = [...c.expected.floats.values(), ...c.expected.words.values()].reduce((n, m) => n + m.size, 0);
  return total === 0 ? "nothing is expected of it" : null;
}

export const sameBits = (a: Readonly<Record<string, Words>>, b: Readonly<Record<string, Words>>): boolean =>
  Object.entries(a).every(([name, words]) => {
    const others = wordsOf(b[name]!);
    return wordsOf(words).every((word, i) => word === others[i]);
  });

/** What there is of a variant at a size: null where it is as it must be, the reason where it does not exist. */
export interface Trial {
  readonly wrong: string | null;
  readonly absent: string | null;
}

/** Runs a variant at a size, and holds it to the bits of the one that it must equal. */
export async function tryVariant(of: KernelTest, name: string, size: number): Promise<Trial> {
  const c = of.variants[name]!(size);
  if ("absent" in c) return { wrong: c.shown ? null : `not so: ${c.absent}`, absent: c.absent };
  const after = await runCase(c);
  const wrong = disagreement(c, after);
  const pair = of.sameBits?.[name];
  const other = pair === undefined ? null : of.variants[pair]!(size);
  if (wrong !== null || other === null) return { wrong, absent: null };
  const same = !("absent" in other) && sameBits(after, await runCase(other));
  return { wrong: same ? null : `not the bits of "${pair}"`, absent: null };
}
