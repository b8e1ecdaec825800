import { random4, stream } from "../../src/kernels/philox.ts";
import { initializeTransformer } from "../../src/nn/initialize-transformer.ts";
import { ropeTable } from "../../src/nn/rope-table.ts";
import { transformerLayout, type TransformerShape } from "../../src/nn/transformer-layout.ts";
import type { LanguageEngine, TokenLossConfig, TokenRows } from "../../src/lm/language-engine.ts";
import type { Contestant } from "./minibatch.ts";

/** 836,736 parameters. One position more than T: the last token is only ever predicted. */
export const gptShape: TransformerShape = {
  vocabularySize: 256,
  width: 128,
  layers: 4,
  heads: 4,
  keyValueHeads: 4,
  headSize: 32,
  feedForward: 352,
  maxLength: 129,
  ropeBase: 1e4,
  normEpsilon: 1e-5,
  tiedHead: true,
};

/** One optimizer step of next-token likelihood over B rows of T tokens, the same for everybody. */
export interface GptWork {
  readonly shape: TransformerShape;
  readonly rows: number;
  /** T, tokens that go in. */
  readonly length: number;
  readonly inputs: Int32Array<ArrayBuffer>;
  readonly targets: Int32Array<ArrayBuffer>;
  readonly learningRate: number;
  readonly epsilon: number;
  readonly tensors: readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly data: Float32Array<ArrayBuffer>;
  }[];
  /** [T x headSize / 2] */
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
  readonly tokenRows: TokenRows;
}

/** Random tokens; rows begin differently, so that none shares work with another. */
export function gptWork(rows: number): GptWork {
  const shape = gptShape;
  const length = 128;
  const words = new Uint32Array(4);
  const tokens = Int32Array.from({ length: rows * (length + 1) }, (_, i) => {
    random4(1, stream.check, 0, i, words);
    const [row, t] = [Math.floor(i / (length + 1)), i % (length + 1)];
    return t === 0 ? row : words[0]! % shape.vocabularySize;
  });
  const side = (from: number): Int32Array<ArrayBuffer> =>
    Int32Array.from({ length: rows * length }, (_, i) => {
      const [row, t] = [Math.floor(i / length), i % length];
      return tokens[row * (length + 1) + t + from]!;
    });
  const layout = transformerLayout(shape);
  const parameters = initializeTransformer(layout, 1);
  const column = (of: (t: number) => number): Float32Array =>
    Float32Array.from(tokens, (_, i) => of(i % (length + 1)));
  return {
    ...{ shape, rows, length, inputs: side(0), targets: side(1), learningRate: 1e-3, epsilon: 1e-8 },
    tensors: layout.tensors.map(({ name, shape: dims, offset, length: size }) => ({
      ...{ name, shape: dims },
      data: parameters.slice(offset, offset + size) as Float32Array<ArrayBuffer>,
    })),
    ...ropeTable(length, shape.headSize, shape.ropeBase),
    tokenRows: {
      ...{ rows, length: length + 1, tokens, allowed: null },
      lengths: new Int32Array(rows).fill(length + 1),
      weights: column((t) => (t === 0 ? 0 : 1 / (rows * length))),
      advantages: column(() => 1),
      oldLogProbabilities: column(() => 0),
      importance: column(() => 1),
    },
  };
}

/** `LanguageEngine.step` on the work; the engine's start weights are those of seed 1. */
export async function createOurGpt(
  make: () => Promise<LanguageEngine>,
  work: GptWork,
): Promise<Contestant & { readonly engine: LanguageEngine }> {
  const began = performance.now();
  const engine = await make();
  const config: TokenLossConfig = {
    ...{ kind: "likelihood", clipLow: 0.2, clipHigh: 0.2, dualClip: null, entropyCoefficient: 0 },
    ...{ learningRate: work.learningRate, betas: [0.9, 0.999], adamEpsilon: work.epsilon },
    ...{ weightDecay: 0, maxGradientNorm: 1e9 },
  };
  const { loss } = await engine.step(work.tokenRows, config);
  return {
    engine,
    firstLoss: loss,
    firstStep: performance.now() - began,
    step: async () => void (await engine.step(work.tokenRows, config)),
    dispose: () => engine.dispose(),
  };
}
