import type { CallExpression, Node } from "acorn";
import { fullAncestor } from "acorn-walk";
import { FulguriteError } from "../gpu/error.ts";
import {
  rolloutRewardDefinition,
  rolloutRewardFrom,
  type RewardDefinition,
  type RolloutReward,
} from "../reward/index.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import { measure } from "../runner/measure.ts";
import type { PolicyConfig } from "../train/job.ts";
import {
  isPolicy,
  policyConfig,
  policyParameters,
  policyShape,
  type CharacterPolicy,
} from "../train/character-policy.ts";
import { agentDefinition, agentFrom, type Agent, type AgentFunction } from "../train/define-agent.ts";
import { learnedParameters } from "../train/policy-adapters.ts";
import { without } from "../train/without.ts";
import { PACKAGE } from "./analyze.ts";
import { closureOf, parseCell, type ClosureCell, type ClosureNotebook } from "./closure.ts";
import type { Output } from "./session-types.ts";

/** What definitions see of the cell that calls them. */
export interface DefinitionScope {
  readonly notebook: ClosureNotebook;
  readonly cell: string;
}

/** Largest source, in bytes, that an output carries for re-scoring. */
const MAX_RESCORE_BYTES = 1_000_000;

/** `defineAgent` and `defineReward` over rollouts, for one run of one cell. */
export interface CellDefinitions {
  defineAgent(name: string, run: AgentFunction): Agent;
  defineReward(definition: RewardDefinition): RolloutReward;
}

/** The definers of one cell: what they define travels by the text of their call's argument and its closure. */
export function cellDefinitions(scope: DefinitionScope): CellDefinitions {
  const counts = new Map<string, number>();
  const source = (definer: "defineAgent" | "defineReward", name: string | null, value: unknown) => {
    const index = counts.get(definer) ?? 0;
    counts.set(definer, index + 1);
    let found: CodeSource | null = null;
    // Only when asked: what the function uses may be defined below it.
    return (): CodeSource =>
      (found ??= closureOf(rootOf(scope, definer, name, value, index), scope.notebook));
  };
  return {
    defineAgent: (name, run) => agentFrom(name, run, source("defineAgent", name, run)),
    defineReward: (definition) => rolloutRewardFrom(definition, source("defineReward", null, definition)),
  };
}

/** Finds the closures of what a cell defines, so that the cell fails where one of them cannot travel. */
export function settleSources(values: Iterable<unknown>): void {
  for (const value of values) (agentDefinition(value) ?? rolloutRewardDefinition(value))?.source();
}

/** What the page shows of an agent, a reward over rollouts or a policy; undefined for any other value. */
export function definitionOutput(value: unknown, name: string | null): Output | undefined {
  const agent = agentDefinition(value);
  if (agent) return { view: "agent", name: agent.name, lines: agent.lines };
  const reward = rolloutRewardDefinition(value);
  if (reward) {
    return { view: "composite-reward", name, components: reward.components, rescore: rescore(reward) };
  }
  return isPolicy(value) ? policyOutput(value, name) : undefined;
}

function policyOutput(policy: CharacterPolicy, name: string | null): Output | undefined {
  const { warmStart } = policy;
  const config = policyConfig(policy);
  try {
    return {
      view: "policy",
      ...{ name, shape: withoutFiles(config) },
      parameters: policyParameters(config),
      learns: learnedParameters(policyShape(config)),
      warmStart: warmStart && { demonstrations: warmStart.demonstrations.length, steps: warmStart.steps },
    };
  } catch {
    return undefined;
  }
}

/** What a person reads of it: weights and vocabularies are megabytes. */
function withoutFiles(config: PolicyConfig): PolicyConfig {
  const { model, start, adapters, softPrompt, ...shape } = config;
  return {
    ...shape,
    ...(adapters ? { adapters: without(adapters, "start") } : {}),
    ...(softPrompt ? { softPrompt: without(softPrompt, "start") } : {}),
    ...(model ? { model: { config: model.config, tokenizer: null } } : {}),
    ...(start === undefined ? {} : { start: start instanceof Uint8Array ? "a file" : start }),
  };
}

function rescore(reward: { readonly source: () => CodeSource }): { readonly source: CodeSource } | null {
  try {
    const source = reward.source();
    return measure(source, MAX_RESCORE_BYTES) > MAX_RESCORE_BYTES ? null : { source };
  } catch {
    return null;
  }
}

interface Candidate {
  readonly text: string;
  readonly line: number;
  /** First argument where it is a text written out. */
  readonly name: string | null;
  readonly isFunction: boolean;
}

/** The call that defined this value, by its name, its functions' text and, where calls are alike, its number. */
function rootOf(
  { cell, notebook }: DefinitionScope,
  definer: "defineAgent" | "defineReward",
  name: string | null,
  value: unknown,
  index: number,
): { what: string; cell: string; entry: string; line: number } {
  const all = callsOf(notebook.cell(cell), definer);
  const texts = functionTexts(value);
  const fits = (call: Candidate): boolean =>
    (name === null || call.name === null || call.name === name) &&
    (!call.isFunction || texts.includes(call.text));
  const holds = (call: Candidate): boolean => texts.every((text) => call.text.includes(text));
  const fitting = all.filter(fits);
  const holding = fitting.filter(holds);
  const own = all[index];
  const call =
    fitting.length === 1
      ? fitting[0]
      : holding.length === 1
        ? holding[0]
        : own && fitting.includes(own)
          ? own
          : undefined;
  const what = definer === "defineAgent" ? "agent" : "reward";
  if (call) return { what, cell, entry: call.text, line: call.line };
  throw new FulguriteError(
    "notebook/definition-place",
    `The text of this ${what} cannot be found: \`${definer}\` is not called at the top of the cell \`${cell}\`.`,
    `Write \`const ${what} = ${definer}(...)\` outside functions, blocks and loops.`,
  );
}

function functionTexts(value: unknown): string[] {
  if (typeof value === "function") return [Function.prototype.toString.call(value)];
  const parts = Object.values(value as Record<string, { score?: unknown } | null>);
  return parts.flatMap((part) => (typeof part?.score === "function" ? functionTexts(part.score) : []));
}

const INNER =
  /Function|Class|^(?:BlockStatement|For\w*Statement|WhileStatement|DoWhileStatement|SwitchStatement)$/;

function callsOf({ analysis }: ClosureCell, definer: "defineAgent" | "defineReward"): Candidate[] {
  const { code, imports, defines } = analysis;
  const names = new Set(
    imports
      .filter(({ imported, from }) => from === PACKAGE && imported === definer)
      .map(({ local }) => local),
  );
  if (!defines.includes(definer)) names.add(definer);
  const namespaces = new Set(
    imports.filter(({ imported, from }) => from === PACKAGE && imported === "*").map(({ local }) => local),
  );
  const found: Candidate[] = [];
  const isDefiner = ({ callee }: CallExpression): boolean =>
    callee.type === "Identifier"
      ? names.has(callee.name)
      : callee.type === "MemberExpression" &&
        callee.object.type === "Identifier" &&
        namespaces.has(callee.object.name) &&
        callee.property.type === "Identifier" &&
        callee.property.name === definer;
  fullAncestor(parseCell(code), (node: Node, _state: unknown, ancestors: Node[]) => {
    if (node.type !== "CallExpression" || !isDefiner(node as CallExpression)) return;
    if (ancestors.some((ancestor) => ancestor !== node && INNER.test(ancestor.type))) return;
    const given = (node as CallExpression).arguments;
    const argument = given[definer === "defineAgent" ? 1 : 0];
    if (!argument || given.some(({ type }) => type === "SpreadElement")) return;
    const [first] = given;
    found.push({
      text: code.slice(argument.start, argument.end),
      line: node.loc?.start.line ?? 1,
      name: first?.type === "Literal" && typeof first.value === "string" ? first.value : null,
      isFunction: argument.type === "FunctionExpression" || argument.type === "ArrowFunctionExpression",
    });
  });
  return found.sort((a, b) => a.line - b.line);
}
