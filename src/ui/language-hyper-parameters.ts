import type { HyperParameter } from "./hyper-parameters.ts";

const grpo = "Shao et al. 2024, GRPO, arXiv 2402.03300";
const dapo = "Yu et al. 2025, DAPO, arXiv 2503.14476";
const adamw = "Loshchilov and Hutter 2019, arXiv 1711.05101 (AdamW)";
const decoder = "Touvron et al. 2023, Llama, arXiv 2302.13971";
const sft = "Ouyang et al. 2022, arXiv 2203.02155";
const dpo = "Rafailov et al. 2023, DPO, arXiv 2305.18290";
const ziegler = "Ziegler et al. 2019, arXiv 1909.08593";
const correction = "verl, rollout correction";

/** Settings of runs that train a language policy, by path, without "algorithm."; see `hyperParameter`. */
export const languageHyperParameters: Readonly<Record<string, HyperParameter>> = {
  kind: {
    words: "Which equations the update follows.",
    formula: "\\theta \\leftarrow \\theta - \\alpha \\nabla L(\\theta)",
    source: "src/rl",
  },
  groupSize: {
    words: "Rollouts of one task, compared with each other, G.",
    formula: "A_i = r_i - \\tfrac1G \\sum_{j=1}^{G} r_j",
    source: grpo,
  },
  groups: {
    words: "Tasks of one update.",
    formula: "\\text{rollouts an update} = \\text{groups} \\cdot G",
    source: grpo,
  },
  updates: {
    words: "Updates of the whole run, U.",
    formula: "\\text{rollouts} = U \\cdot \\text{groups} \\cdot G",
    source: grpo,
  },
  temperature: {
    words: "Answers are sampled from a flatter (above 1) or steeper (below 1) distribution.",
    formula: "a \\sim \\mathrm{softmax}(z / \\tau)",
    source: "Ackley et al. 1985; Hinton et al. 2015, arXiv 1503.02531",
  },
  maxTokens: {
    words: "Most tokens of one answer, the end included.",
    formula: "|y| \\le \\text{maxTokens}",
    source: grpo,
  },
  promptLength: {
    words: "Most tokens of a row's prompt; longer ones are dropped and counted.",
    formula: "|x| \\le \\text{promptLength}",
    source: "verl, data.max_prompt_length",
  },
  responseLength: {
    words: "Most tokens of a row's response; longer ones are cut and counted.",
    formula: "|y| \\le \\text{responseLength}",
    source: "verl, data.max_response_length",
  },
  evaluateEvery: {
    words: "Updates between evaluations on what is held out.",
    formula: "u \\bmod \\text{evaluateEvery} = 0",
    source: "verl, trainer.test_freq",
  },
  evaluationTasks: {
    words: "Held-out tasks of an evaluation, n; the band is Wilson's 95 % interval.",
    formula: "\\frac{\\hat p + z^2/2n \\pm z \\sqrt{\\hat p (1 - \\hat p)/n + z^2/4n^2}}{1 + z^2/n}",
    source: "Wilson 1927",
  },
  evaluationExamples: {
    words: "Held-out examples of an evaluation.",
    formula: "\\mathrm{mean}\\,(-\\log \\pi(y|x))",
    source: sft,
  },
  successAt: {
    words: "A rollout succeeds at this reward.",
    formula: "r \\ge \\text{successAt}",
    source: "Dong et al. 2023, RAFT, arXiv 2304.06767",
  },
  finalLearningRate: {
    words: "Learning rate of the last update.",
    formula: "\\alpha_u = \\alpha_0 + (\\alpha_1 - \\alpha_0)\\, u / U",
    source: "Loshchilov and Hutter 2017, arXiv 1608.03983 (schedules)",
  },
  advantage: {
    words: "How the rewards of a group become advantages.",
    formula:
      "r_i - \\bar r, \\;\\; \\frac{r_i - \\bar r}{\\mathrm{std}(r) + \\epsilon} \\;\\;\\text{or}\\;\\; r_i - \\tfrac{1}{G-1} \\sum_{j \\ne i} r_j",
    source: `Dr.GRPO, arXiv 2503.20783; ${grpo}; RLOO, arXiv 2402.14740`,
  },
  aggregation: {
    words: "What tokens' losses are divided by: all tokens, those of their sequence, or a constant.",
    formula:
      "\\frac{\\sum_{i,t} l_{i,t}}{\\sum_i |y_i|} \\;\\text{or}\\; \\tfrac1N \\sum_i \\tfrac1{|y_i|} \\sum_t l_{i,t}",
    source: `${dapo}; Dr.GRPO, arXiv 2503.20783`,
  },
  "loss.kind": {
    words: "The surrogate of one token.",
    formula: "\\max(-A r, -A\\, \\mathrm{clip}(r)) \\;\\text{or}\\; -A \\log \\pi",
    source: "Schulman et al. 2017, arXiv 1707.06347; CISPO, arXiv 2506.13585; SAPO, arXiv 2511.20347",
  },
  "loss.clipLow": {
    words: "How far the probability of a token may fall before it stops counting.",
    formula: "\\mathrm{clip}(r, 1 - \\epsilon_{low}, 1 + \\epsilon_{high}), \\quad r = \\pi / \\pi_{old}",
    source: "Schulman et al. 2017, arXiv 1707.06347, equation 7",
  },
  "loss.clipHigh": {
    words: "How far it may rise.",
    formula: "\\mathrm{clip}(r, 1 - \\epsilon_{low}, 1 + \\epsilon_{high})",
    source: `${dapo}, clip-higher`,
  },
  "loss.dualClip": {
    words: "Bounds the loss of negative advantages.",
    formula: "L = \\min(L, -c A) \\;\\text{where}\\; A < 0",
    source: "Ye et al. 2020, arXiv 1912.09729",
  },
  "loss.entropyCoefficient": {
    words: "Pays for staying undecided.",
    formula: "L \\mathrel{-}= c_e H(\\pi)",
    source: "Schulman et al. 2017, arXiv 1707.06347, equation 9",
  },
  "loss.gate": {
    words: "How softly a ratio is gated, for positive and for negative advantages.",
    formula: "-A\\, \\tfrac4\\tau\\, \\sigma(\\tau (r - 1))",
    source: "SAPO, arXiv 2511.20347",
  },
  "loss.kl": {
    words: "Holds the policy near its reference, by an estimate of the KL of every token.",
    formula: "k_3 = e^{-d} - 1 + d, \\quad d = \\log \\pi - \\log \\pi_{ref}",
    source: `${grpo}, equation 4; Schulman, Approximating KL divergence, 2020`,
  },
  "loss.labelSmoothing": {
    words: "Share of a token's target that is spread evenly over all tokens.",
    formula: "-(1 - s) \\log \\pi(y) - \\tfrac{s}{K} \\sum_k \\log \\pi(k)",
    source: "Szegedy et al. 2015, arXiv 1512.00567, section 7",
  },
  "loss.learningRate": {
    words: "Step of the optimizer.",
    formula: "\\theta \\leftarrow \\theta - \\alpha\\, \\hat m / (\\sqrt{\\hat v} + \\epsilon)",
    source: adamw,
  },
  "loss.betas": {
    words: "How long the optimizer remembers gradients and their squares.",
    formula:
      "m \\leftarrow \\beta_1 m + (1 - \\beta_1) g, \\quad v \\leftarrow \\beta_2 v + (1 - \\beta_2) g^2",
    source: adamw,
  },
  "loss.adamEpsilon": {
    words: "Keeps the optimizer's division from running away.",
    formula: "\\hat m / (\\sqrt{\\hat v} + \\epsilon)",
    source: adamw,
  },
  "loss.weightDecay": {
    words: "Shrinks the weights a little at every step.",
    formula: "\\theta \\leftarrow \\theta - \\alpha \\lambda \\theta",
    source: adamw,
  },
  "loss.maxGradientNorm": {
    words: "A longer gradient is shortened to this length.",
    formula: "g \\leftarrow g \\cdot \\min(1, \\text{max} / (\\lVert g \\rVert + 10^{-6}))",
    source: "Pascanu et al. 2013, arXiv 1211.5063",
  },
  ratio: {
    words: "Whether the ratio is of each token, or of its whole sequence.",
    formula: "r = \\exp\\big(\\tfrac1{|y|} \\sum_t \\log \\tfrac{\\pi(y_t)}{\\pi_{old}(y_t)}\\big)",
    source: "Zheng et al. 2025, GSPO, arXiv 2507.18071",
  },
  epochs: {
    words: "Passes over the rows of an update.",
    formula: "\\text{optimizer steps an update} = \\text{epochs} \\cdot \\text{minibatches}",
    source: "Schulman et al. 2017, arXiv 1707.06347",
  },
  minibatches: {
    words: "Optimizer steps of one pass.",
    formula: "\\text{optimizer steps an update} = \\text{epochs} \\cdot \\text{minibatches}",
    source: "Schulman et al. 2017, arXiv 1707.06347",
  },
  generationBatches: {
    words: "Most batches that are sampled until enough groups have rewards that differ.",
    formula: "0 < |\\{i : r_i = 1\\}| < G",
    source: `${dapo}, equation 11`,
  },
  overlong: {
    words: "Takes from the reward of answers near the longest that may be.",
    formula: "-f\\, \\frac{|y| - (\\text{maxTokens} - b)}{b}",
    source: `${dapo}, equation 13`,
  },
  rewardKl: {
    words: "Takes the KL to the reference from the reward.",
    formula: "r \\leftarrow r - \\beta \\sum_t (\\log \\pi - \\log \\pi_{ref})",
    source: ziegler,
  },
  adaptiveKl: {
    words: "Moves the weight of the KL so that the KL stays at a target.",
    formula:
      "\\beta \\leftarrow \\beta\\,\\big(1 + \\mathrm{clip}(\\tfrac{KL}{\\text{target}} - 1, \\pm 0.2)\\, \\tfrac{n}{h}\\big)",
    source: `${ziegler}, section 2.2`,
  },
  correction: {
    words: "Weights or leaves out tokens that sampler and trainer judge differently.",
    formula: "w = \\min(\\pi_{old} / \\pi_{sampler}, c)",
    source: correction,
  },
  oldPolicy: {
    words: "Whether the old log-probabilities are the sampler's, or scored again before the first step.",
    formula: "r = \\pi / \\pi_{old}",
    source: correction,
  },
  sampledFrom: {
    words: "Whose rollouts are imitated: the policy's own as it learns, or those of its start.",
    formula: "L = -\\mathrm{mean}_{r \\ge \\text{successAt}} \\log \\pi(y|x)",
    source: "Dong et al. 2023, RAFT, arXiv 2304.06767",
  },
  batchSize: {
    words: "Most examples of an optimizer step, B.",
    formula: "\\text{steps a pass} = \\lceil N / B \\rceil",
    source: sft,
  },
  batchTokens: {
    words: "Most tokens of an optimizer step, prompts included.",
    formula: "\\sum_i (|x_i| + |y_i|) \\le \\text{batchTokens}",
    source: "Krell et al. 2021, packing, arXiv 2107.02027",
  },
  warmup: {
    words: "Updates over which the learning rate rises from 0.",
    formula: "\\alpha_u = \\alpha_0\\, u / \\text{warmup}",
    source: "Goyal et al. 2017, arXiv 1706.02677",
  },
  schedule: {
    words: "Way of the learning rate to its final value.",
    formula: "\\alpha_u = \\alpha_1 + \\tfrac12 (\\alpha_0 - \\alpha_1)(1 + \\cos(\\pi u / U))",
    source: "Loshchilov and Hutter 2017, arXiv 1608.03983",
  },
  learn: {
    words: "Whether only answers are learned, or prompts too.",
    formula: "L = -\\mathrm{mean}_{t \\in \\text{answer}} \\log \\pi(y_t | y_{<t})",
    source: sft,
  },
  preference: {
    words: "The loss of a pair of answers, one better than the other.",
    formula:
      "-\\log \\sigma(\\beta h), \\quad h = \\log \\tfrac{\\pi(y_c)}{\\pi_{ref}(y_c)} - \\log \\tfrac{\\pi(y_r)}{\\pi_{ref}(y_r)}",
    source: `${dpo}; IPO, Azar et al. 2023, arXiv 2310.12036`,
  },
  seed: {
    words: "All of the trainer's randomness is a function of it.",
    formula: "u = \\mathrm{Philox}(\\text{seed}, \\text{stream}, \\text{step}, \\text{index})",
    source: "Salmon et al. 2011 (counter-based random numbers)",
  },
  timeout: {
    words: "Milliseconds that an attempt of the agent may take.",
    source: "Agent Lightning v0.3, timeout_seconds of a rollout",
  },
  deterministic: {
    words: "The run repeats bit for bit: its agent's randomness is seeded, and the clock ends nothing.",
    source: "docs/decisions/2026-11-21-rollouts.md",
  },
  "policy.width": {
    words: "Width of the residual stream, d.",
    formula: "x_{l+1} = x_l + f_l(\\mathrm{norm}(x_l)), \\quad x \\in \\mathbb{R}^d",
    source: decoder,
  },
  "policy.layers": {
    words: "Blocks of attention and feed-forward, L.",
    formula: "x_L = (1 + f_L) \\circ \\dots \\circ (1 + f_1)(x_0)",
    source: decoder,
  },
  "policy.heads": {
    words: "Heads of the attention, each of width d / heads.",
    formula: "\\mathrm{softmax}(Q K^\\top / \\sqrt{d_h})\\, V",
    source: "Vaswani et al. 2017, arXiv 1706.03762",
  },
  "policy.feedForward": {
    words: "Hidden width of the feed-forward part.",
    formula: "W_2 (\\mathrm{silu}(W_1 x) \\odot W_3 x)",
    source: "Shazeer 2020, SwiGLU, arXiv 2002.05202",
  },
  "policy.maxLength": {
    words: "Most tokens of a conversation.",
    formula: "|x| + |y| \\le \\text{maxLength}",
    source: decoder,
  },
  "policy.pairs": {
    words: "Byte pairs that are tokens of the policy, learned from texts: the most frequent pair first.",
    formula: "(a, b) = \\arg\\max\\, \\mathrm{count}(ab), \\quad ab \\to \\text{a new token}",
    source: "Sennrich et al. 2016, arXiv 1508.07909",
  },
  "policy.adapters": {
    words: "Low-rank changes that learn beside frozen weights; the reference is the policy without them.",
    formula:
      "y = W x + \\frac{\\alpha}{r} B A x, \\quad A \\in \\mathbb{R}^{r \\times in},\\; B \\in \\mathbb{R}^{out \\times r},\\; B_0 = 0",
    source: "LoRA: Hu et al. 2021, arXiv 2106.09685",
  },
  "policy.softPrompt": {
    words: "Embeddings in front of every conversation that learn; the policy itself is frozen.",
    formula: "\\pi(y \\mid [P; x]), \\quad P \\in \\mathbb{R}^{tokens \\times width}",
    source: "Prompt tuning: Lester et al. 2021, arXiv 2104.08691",
  },
  "policy.checkpointing": {
    words:
      "A training pass keeps of a layer its input alone and computes the rest again on its way back: the same bits.",
    formula: "\\text{activations} = L \\cdot d + 1 \\text{ layer, instead of } L \\text{ layers}",
    source: "Chen et al. 2016, arXiv 1604.06174",
  },
  "warmStart.demonstrations": {
    words: "Answers that are imitated before the first update.",
    formula: "L = -\\mathrm{mean} \\log \\pi(y|x)",
    source: sft,
  },
  "warmStart.steps": {
    words: "Optimizer steps of this supervised start.",
    formula: "L = -\\mathrm{mean} \\log \\pi(y|x)",
    source: sft,
  },
  "warmStart.batchSize": {
    words: "Demonstrations of one of its steps, B.",
    formula: "\\text{passes} = \\text{steps} \\cdot B / N",
    source: sft,
  },
  "warmStart.learningRate": {
    words: "Step of the optimizer in it.",
    formula: "\\theta \\leftarrow \\theta - \\alpha\\, \\hat m / (\\sqrt{\\hat v} + \\epsilon)",
    source: adamw,
  },
};
