// fulgurite: 1
import { characterPolicy, defineAgent, defineReward, filteredCloning, grpo, train } from "fulgurite";

// %% [md] intro
/*
# A model behind an agent learns, in this tab

The agent below is a few lines of plain `fetch`: it sends a string to a chat endpoint and returns the answer. Behind the endpoint is a small transformer with random weights, on your own machine. At first it answers gibberish.

Nobody shows it a right answer. Eight times for each of 32 strings it tries, a reward says how good each try was, and the tries that did better than their siblings become a little more likely. That is one update; **Run** below makes some hundreds of them.
*/

// %% [md] about-tasks
/*
## The tasks

Strings of four symbols out of ten, to be copied, reversed or sorted. Change `kind` and the training below says that it is stale.

There are 10,000 such strings. A hash decides which 2,500 are held out: the model never trains on them, and every evaluation uses nothing else.
*/

// %% tasks
export type Kind = "copy" | "reverse" | "sort";
export const kind: Kind = "copy" as Kind;

export function solve(what: Kind, word: string): string {
  const letters = [...word];
  return (what === "reverse" ? letters.reverse() : what === "sort" ? letters.sort() : letters).join("");
}

function hash(text: string): number {
  let state = 2166136261;
  for (const letter of text) state = Math.imul(state ^ letter.charCodeAt(0), 16777619);
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
  return (state ^ (state >>> 13)) >>> 0;
}

export const split = <Task>(all: readonly Task[], key: (task: Task) => string) => {
  const sorted = [...all].sort((a, b) => hash(key(a)) - hash(key(b)));
  const quarter = Math.floor(all.length / 4);
  return { heldOut: sorted.slice(0, quarter), train: sorted.slice(quarter) };
};

export const alphabet = "abcdefghij";
const words = Array.from({ length: 10_000 }, (_, code) =>
  [...String(code).padStart(4, "0")].map((digit) => alphabet[Number(digit)]).join(""),
);
export const tasks = split(words, (word) => word);

// %% [md] about-agent
/*
## The agent

It knows nothing of training. In a worker of its own, `fetch` reaches the model and nothing else; any SDK that speaks the OpenAI protocol would do instead. Every call is kept with its tokens and their probabilities.
*/

// %% agent
export const agent = defineAgent("strings", async (word: string, { signal }) => {
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "policy", messages: [{ role: "user", content: word }] }),
    signal,
  });
  const { choices } = await response.json();
  return String(choices[0].message.content);
});

// %% [md] about-reward
/*
## The reward

The share of symbols that are right, halved where the length is wrong. A half-right answer is worth something: without that there would be nothing to learn from, as you can see further down.

Edit it after a run, and before you spend a single new rollout you see what it would have said of the stored ones.
*/

// %% reward
export function share(right: string, answer: string): number {
  const hits = [...right].filter((symbol, i) => answer[i] === symbol).length / right.length;
  return answer.length === right.length ? hits : hits / 2;
}

export const reward = defineReward((word: string, answer: string) => share(solve(kind, word), answer));

// %% [md] about-policy
/*
## The model

A decoder transformer as in Llama, only small: two layers of width 64. Its tokens are the ten symbols and four signs for beginning, end, separator and padding.
*/

// %% policy
export const policy = characterPolicy({ alphabet, maxLength: 16 });

// %% [md] about-training
/*
## Learning

The settings were found in PyTorch with a model of the same shape, where copying took about 26,000 rollouts and reversing or sorting about 100,000 to 130,000. What you see below was measured here; copying and sorting ended between 0.99 and 1.00 in each of three seeds, reversing at 1.00 in two and at 0.09 in the third. Credit by symbol, further down, gets that one to 1.00 as well. The learning rate falls to a tenth on the way: at a constant one, sorting was learned and then lost again.

Look at *held-out success*: greedy answers to strings that it has never trained on, right in every symbol.
*/

// %% training lazy
export const run = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: grpo({
    groupSize: 8,
    groups: 32,
    updates: { copy: 180, reverse: 480, sort: 360 }[kind],
    maxTokens: 5,
    entropyCoefficient: 0.02,
    finalLearningRate: 1e-4,
  }),
  name: kind,
});

// %% [md] about-parts
/*
## Credit where it is due

One number for a whole answer does not say which symbol was right. A score may also be a list with one number for each token of the answer; then each token is compared with the same token of its siblings. The last one is for the end: whether the answer stopped where it should. In PyTorch, reversing took 38,000 rollouts that way instead of about 100,000.
*/

// %% shares
export function shares(right: string, answer: string): number[] {
  const symbols = [...right].map((symbol, i) => Number(answer[i] === symbol));
  return [...symbols, Number(answer.length === right.length)];
}

// %% parts lazy
export const byPart = await train({
  agent,
  reward: defineReward((word: string, answer: string) => shares(solve("reverse", word), answer)),
  tasks,
  policy,
  algorithm: grpo({
    groupSize: 8,
    updates: 240,
    maxTokens: 5,
    entropyCoefficient: 0.02,
    finalLearningRate: 1e-4,
  }),
  name: "reverse, credit by symbol",
});

// %% [md] about-entropy
/*
## Lesson: it stops trying too early

The entropy bonus pays for being undecided. Without it the model settles on a half-right way to reverse: siblings give the same answer, their rewards are equal, and equal rewards teach nothing. A small bonus of 0.003 need not be enough: in PyTorch a run with it ended at 0.52 after 205,000 rollouts.

Watch *entropy* fall and *zero-variance groups* rise: the recorded run ended at 0.55, with 97 of 100 groups that teach nothing.
*/

// %% entropy lazy
export const stuck = await train({
  agent,
  reward: defineReward((word: string, answer: string) => share(solve("reverse", word), answer)),
  tasks,
  policy,
  algorithm: grpo({ groupSize: 8, updates: 480, maxTokens: 5, entropyCoefficient: 0 }),
  name: "reverse, no entropy bonus",
});

// %% [md] about-sparse
/*
## Lesson: all or nothing is nothing

Pay 1 for a perfect answer and 0 for any other. Eleven tokens can follow at each of five places, so that a guess is right about 6 times in a million; eight siblings nearly always get eight zeros, and no group tells good from bad. The recorded run was still at 0 after 40,960 rollouts.
*/

// %% sparse lazy
export const nothing = await train({
  agent,
  reward: defineReward((word: string, answer: string) => (answer === solve("reverse", word) ? 1 : 0)),
  tasks,
  policy,
  algorithm: grpo({ groupSize: 8, updates: 160, maxTokens: 5 }),
  name: "reverse, all or nothing",
});

// %% [md] about-baseline
/*
## The honest baseline

Is this reinforcement learning, or would it do to imitate what happened to work? *Filtered cloning* makes the same rollouts, keeps those that reached `successAt` and raises their likelihood; it learns nothing from the others. From random weights hardly any rollout is right, so there is hardly anything to imitate. Lower `successAt` to 0.5 to give it more, but then half-right answers count as solved in its curve.

What it came to stands beside every run of this notebook. Those of the runs above, and of the addition below, are folded: each has the reward of the run that it stands beside, and makes as many rollouts.
*/

// %% baseline lazy
export const cloned = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: filteredCloning({
    groupSize: 8,
    groups: 32,
    updates: { copy: 180, reverse: 480, sort: 360 }[kind],
    maxTokens: 5,
  }),
  name: `${kind}, filtered cloning`,
});

// %% parts_baseline lazy fold
export const clonedByPart = await train({
  agent,
  reward: defineReward((word: string, answer: string) => shares(solve("reverse", word), answer)),
  tasks,
  policy,
  algorithm: filteredCloning({ groupSize: 8, updates: 240, maxTokens: 5 }),
  name: "reverse, credit by symbol, filtered cloning",
});

// %% entropy_baseline lazy fold
export const clonedReverse = await train({
  agent,
  reward: defineReward((word: string, answer: string) => share(solve("reverse", word), answer)),
  tasks,
  policy,
  algorithm: filteredCloning({ groupSize: 8, updates: 480, maxTokens: 5 }),
  name: "reverse, filtered cloning",
});

// %% sparse_baseline lazy fold
export const clonedPerfect = await train({
  agent,
  reward: defineReward((word: string, answer: string) => (answer === solve("reverse", word) ? 1 : 0)),
  tasks,
  policy,
  algorithm: filteredCloning({ groupSize: 8, updates: 160, maxTokens: 5 }),
  name: "reverse, all or nothing, filtered cloning",
});

// %% [md] about-addition
/*
## Addition, from a short warm start

Adding numbers of two digits is too much to stumble upon. So the model first imitates worked examples for 600 steps of 64, and then reinforcement takes it further, digit by digit and with a smaller learning rate: at the larger one it forgets as fast as it learns. The examples are training tasks; the held-out sums are in neither part.
*/

// %% addition
export const sums = split(
  Array.from({ length: 8_100 }, (_, i) => `${10 + Math.floor(i / 90)}+${10 + (i % 90)}`),
  (sum) => sum,
);

export function add(sum: string): string {
  const [left, right] = sum.split("+").map(Number);
  return String(left! + right!);
}

export const adder = characterPolicy({
  alphabet: "0123456789+",
  maxLength: 16,
  warmStart: {
    demonstrations: sums.train.map((prompt) => ({ prompt, answer: add(prompt) })),
    steps: 600,
    batchSize: 64,
    learningRate: 2e-3,
  },
});

// %% adding lazy
export const added = await train({
  agent,
  reward: defineReward((sum: string, answer: string) => shares(add(sum), answer)),
  tasks: sums,
  policy: adder,
  algorithm: grpo({
    groupSize: 8,
    updates: 80,
    maxTokens: 4,
    learningRate: 3e-4,
    entropyCoefficient: 0.003,
  }),
  name: "two-digit addition",
});

// %% adding_baseline lazy fold
export const clonedSums = await train({
  agent,
  reward: defineReward((sum: string, answer: string) => shares(add(sum), answer)),
  tasks: sums,
  policy: adder,
  algorithm: filteredCloning({ groupSize: 8, updates: 80, maxTokens: 4, learningRate: 3e-4 }),
  name: "two-digit addition, filtered cloning",
});
