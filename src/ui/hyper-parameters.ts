import { languageHyperParameters } from "./language-hyper-parameters.ts";

/** What a setting does, in one sentence, a formula and where it comes from. */
export interface HyperParameter {
  readonly words: string;
  /** TeX. */
  readonly formula?: string;
  readonly source: string;
}

const ppo = "Schulman et al. 2017, arXiv 1707.06347";
const gae = "Schulman et al. 2015, arXiv 1506.02438";
const details = "Huang et al. 2022, The 37 implementation details of PPO";

/** By the path of the setting in a job, without "algorithm." or "policy." and without ".start" or ".end". */
export const hyperParameters: Readonly<Record<string, HyperParameter>> = {
  kind: {
    words: "Which equations the update follows.",
    formula: "\\theta \\leftarrow \\theta - \\alpha \\nabla L(\\theta)",
    source: "src/rl",
  },
  envs: {
    words: "Environments that are stepped side by side, N.",
    formula: "\\text{transitions an update} = N \\cdot T",
    source: details,
  },
  steps: {
    words: "Steps of every environment an update, T.",
    formula: "\\text{transitions an update} = N \\cdot T",
    source: details,
  },
  minibatchSize: {
    words: "Transitions of one optimizer step, drawn without replacement.",
    formula: "\\text{optimizer steps} = \\text{epochs} \\cdot \\frac{N T}{\\text{minibatchSize}}",
    source: ppo,
  },
  epochs: {
    words: "Passes over the transitions of an update.",
    formula: "\\text{optimizer steps} = \\text{epochs} \\cdot \\frac{N T}{\\text{minibatchSize}}",
    source: ppo,
  },
  totalSteps: {
    words: "Environment steps of the whole run.",
    formula: "\\text{updates} = \\lfloor \\text{totalSteps} / (N T) \\rfloor",
    source: details,
  },
  episodes: {
    words: "Whether episodes go on from update to update, or every update plays whole ones.",
    formula:
      "G_t = \\sum_{k=t}^{T_{end}} \\gamma^{k-t} r_k \\;\\text{or}\\; \\sum_{k=t}^{T-1} \\gamma^{k-t} r_k + \\gamma^{T-t} V_T",
    source: "Williams 1992 (whole); Mnih et al. 2016, arXiv 1602.01783 (continued)",
  },
  learningRate: {
    words: "Step of the optimizer, from the first update to the last.",
    formula: "\\alpha_u = \\alpha_0 + (\\alpha_1 - \\alpha_0)\\, u / U",
    source: details,
  },
  gamma: {
    words: "Discount: what a reward is worth one step later.",
    formula: "G_t = \\sum_k \\gamma^k r_{t+k}",
    source: "Sutton and Barto 2018, section 3.3",
  },
  lambda: {
    words: "Between one step's error (0) and the whole return (1).",
    formula: "A_t = \\delta_t + \\gamma \\lambda A_{t+1}, \\quad \\delta_t = r_t + \\gamma V_{t+1} - V_t",
    source: gae,
  },
  surrogate: {
    words: "What takes the place of the return in the gradient.",
    formula: "\\max(-A r, -A\\, \\mathrm{clip}(r)) \\;\\text{or}\\; -A \\log \\pi",
    source: ppo,
  },
  clip: {
    words: "How far the probability of an action may move before it stops counting.",
    formula:
      "L = \\max(-A r, -A\\, \\mathrm{clip}(r, 1-\\epsilon, 1+\\epsilon)), \\quad r = \\pi / \\pi_{old}",
    source: `${ppo}, equation 7`,
  },
  clipHigh: {
    words: "Another clip range upwards.",
    formula: "\\mathrm{clip}(r, 1-\\epsilon, 1+\\epsilon_{high})",
    source: "DAPO, arXiv 2503.14476",
  },
  dualClip: {
    words: "Bounds the loss of negative advantages.",
    formula: "L = \\min(L, -c A) \\;\\text{where}\\; A < 0",
    source: "Ye et al. 2020, arXiv 1912.09729",
  },
  klStop: {
    words: "Ends an update early where the policy has moved too far.",
    formula: "\\mathrm{mean}((r - 1) - \\log r) > \\text{limit}",
    source: "Schulman, Approximating KL divergence, 2020",
  },
  valueClip: {
    words: "How far the critic's prediction may move in an update.",
    formula: "\\tfrac12 \\max((V - R)^2, (V_{old} + \\mathrm{clip}(V - V_{old}, \\pm\\epsilon) - R)^2)",
    source: details,
  },
  entropyCoefficient: {
    words: "Pays for staying undecided.",
    formula: "L \\mathrel{-}= c_e H(\\pi)",
    source: `${ppo}, equation 9`,
  },
  valueCoefficient: {
    words: "Weight of the critic's error.",
    formula: "L \\mathrel{+}= c_v\\, \\mathrm{mean}\\, \\tfrac12 (V - R)^2",
    source: `${ppo}, equation 9`,
  },
  maxGradientNorm: {
    words: "A longer gradient is shortened to this length.",
    formula: "g \\leftarrow g \\cdot \\min(1, \\text{max} / \\lVert g \\rVert)",
    source: "Pascanu et al. 2013, arXiv 1211.5063",
  },
  normalizeAdvantages: {
    words: "Advantages of a minibatch get mean 0 and deviation 1.",
    formula: "A \\leftarrow (A - \\bar A) / (\\mathrm{std}(A) + 10^{-8})",
    source: details,
  },
  normalizeObservations: {
    words: "Observations get mean 0 and variance 1, by running statistics.",
    formula: "x \\leftarrow (x - \\mu) / \\sqrt{\\sigma^2 + 10^{-8}}",
    source: details,
  },
  normalizeRewards: {
    words: "Rewards are divided by the running deviation of the discounted return.",
    formula: "r \\leftarrow r / \\sqrt{\\mathrm{Var}(G) + 10^{-8}}",
    source: details,
  },
  optimizer: {
    words: "How a gradient becomes a step.",
    formula: "\\theta \\leftarrow \\theta - \\alpha\\, \\hat m / (\\sqrt{\\hat v} + \\epsilon)",
    source: "Loshchilov and Hutter 2019, arXiv 1711.05101 (AdamW)",
  },
  adamEpsilon: {
    words: "Keeps the optimizer's division from running away.",
    formula: "\\hat m / (\\sqrt{\\hat v} + \\epsilon)",
    source: details,
  },
  rmspropDecay: {
    words: "How long RMSprop remembers squared gradients.",
    formula: "v \\leftarrow \\alpha v + (1 - \\alpha) g^2",
    source: "Tieleman and Hinton 2012",
  },
  weightDecay: {
    words: "Shrinks the weights a little at every step.",
    formula: "\\theta \\leftarrow \\theta - \\alpha \\lambda \\theta",
    source: "Loshchilov and Hutter 2019, arXiv 1711.05101",
  },
  truncationBootstrap: {
    words: "Where the time limit ended an episode, the value of its last state stands for the rest.",
    formula: "r_T \\leftarrow r_T + \\gamma V(s_{T+1})",
    source: "Pardo et al. 2018, arXiv 1712.00378",
  },
  groups: {
    words: "Episodes from one start state are compared with each other.",
    formula: "A_i = r_i - \\mathrm{mean}_j\\, r_j",
    source: "GRPO, arXiv 2402.03300; Dr.GRPO, arXiv 2503.20783; RLOO, arXiv 2402.14740",
  },
  costLimit: {
    words: "Largest mean cost of an episode, held by a multiplier.",
    formula: "\\lambda \\leftarrow \\max(0, \\lambda + \\eta (J_c - d))",
    source: "Ray et al. 2019; Stooke et al. 2020, arXiv 2007.03964",
  },
  demonstrations: {
    words: "What an expert saw and did.",
    formula: "L = -\\mathrm{mean} \\log \\pi(a|s)",
    source: "Pomerleau 1989",
  },
  hidden: {
    words: "Widths of the hidden layers, tanh.",
    formula: "h_{l+1} = \\tanh(W_l h_l + b_l)",
    source: details,
  },
  separateTowers: {
    words: "Whether actor and critic have layers of their own.",
    formula:
      "\\pi = f_\\theta(s),\\; V = g_\\phi(s) \\;\\text{or}\\; \\pi = f(h_\\theta(s)),\\; V = g(h_\\theta(s))",
    source: details,
  },
  seed: {
    words: "All randomness is a function of it: the same seed, engine and adapter give the same policy.",
    formula: "u = \\mathrm{Philox}(\\text{seed}, \\text{stream}, \\text{step}, \\text{index})",
    source: "Salmon et al. 2011 (counter-based random numbers)",
  },
};

/**
 * What is known of a setting of a job of that kind by its path, "algorithm.clip" for example: by the longest
 * beginning of it that is known.
 */
export function hyperParameter(path: string, kind: string): HyperParameter | undefined {
  if (path === "kind") return undefined;
  const known = kind === "simulated" ? hyperParameters : languageHyperParameters;
  const parts = path.replace(/^algorithm\./, "").split(".");
  for (let n = parts.length; n > 0; n--) {
    const name = parts.slice(0, n).join(".");
    if (Object.hasOwn(known, name)) return known[name];
  }
  return undefined;
}
