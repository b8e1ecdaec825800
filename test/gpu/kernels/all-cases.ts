import { decoderTests } from "./decoder-cases.ts";
import type { KernelTest } from "./kernel-case.ts";
import { matmulTests } from "./matmul-cases.ts";
import { mlpTests } from "./mlp-cases.ts";
import { optimTests } from "./optim-cases.ts";
import { rlTests } from "./rl-cases.ts";
import { rolloutTests } from "./rollout-cases.ts";
import { tokenLossTests } from "./token-loss-cases.ts";
import { transformerTests } from "./transformer-cases.ts";

/** Every shader with an entry point; `kernels.test.ts` says which are missing. */
export const kernelTests: readonly KernelTest[] = [
  ...optimTests,
  ...rlTests,
  ...rolloutTests,
  ...mlpTests,
  ...transformerTests,
  ...tokenLossTests,
  ...decoderTests,
  ...matmulTests,
];
