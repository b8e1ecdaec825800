import { FulguriteError } from "../gpu/error.ts";
import { sourceOfFunction, type ClosureOptions } from "../reward/function-source.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { Emit } from "../trace/emit.ts";

/** What an agent gets beside its task. The worker also has a `fetch` that reaches the policy at "/v1/...". */
export interface AgentContext {
  /** The policy as an OpenAI-compatible endpoint, for SDKs: `new OpenAI(llm)`. */
  readonly llm: {
    readonly baseURL: string;
    readonly apiKey: string;
    readonly model: string;
    readonly fetch: typeof fetch;
    /** One answer to a conversation, or to a single message of the user. */
    chat(
      messages: string | readonly { readonly role: string; readonly content: string }[],
      options?: Readonly<Record<string, unknown>>,
    ): Promise<string>;
  };
  /** Writes into the trace: `emit("plan", plan)`, `emit.reward(0.5)`, `emit.operation("search", () => ...)`. */
  readonly emit: Emit;
  /** Aborts when the attempt's time is over. */
  readonly signal: AbortSignal;
  readonly rolloutId: string;
  readonly attemptId: string;
  /** Number of the rollout among the siblings of its task, from 0. */
  readonly sample: number;
  readonly mode: "train" | "evaluation";
}

/**
 * What an agent does with one task; its result must be cloneable. `any`, because a task is whatever the tasks of
 * the run are: an agent that takes texts must fit where agents of any task do.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type AgentFunction = (task: any, context: AgentContext) => unknown;

declare const defined: unique symbol;

/** An agent with the source it travels by. It can be called as the function that it was made of. */
export type Agent<Run extends AgentFunction = AgentFunction> = Run & { readonly [defined]: "agent" };

interface Definition {
  readonly name: string;
  /** Lines of its function. */
  readonly lines: number;
  readonly source: () => CodeSource;
}

const definitions = new WeakMap<object, Definition>();

/**
 * An agent: any asynchronous function that asks the policy. It runs in workers of its own, to which it travels as
 * text: outside notebooks that is the function's own text, so that what it uses from around it must be given in
 * `{ values }`, by name: cloneable values, and functions that use nothing but the same names. (A notebook finds
 * these by itself, in its cells.) Throws "train/invalid" and "train/unbound".
 */
export function defineAgent<Run extends AgentFunction>(
  name: string,
  run: Run,
  options: ClosureOptions = {},
): Agent<Run> {
  const source = sourceOfFunction(run, options, "agent");
  return agentFrom(name, run, () => source);
}

/** An agent whose source somebody else finds. */
export function agentFrom<Run extends AgentFunction>(
  name: string,
  run: Run,
  source: () => CodeSource,
): Agent<Run> {
  if (typeof name !== "string" || name === "" || name.length > 200) {
    throw new FulguriteError(
      "train/invalid",
      "An agent needs a name of 1 to 200 characters.",
      'Write `defineAgent("name", async (task, { llm }) => ...)`.',
    );
  }
  if (typeof run !== "function") {
    throw new FulguriteError(
      "train/invalid",
      `The agent "${name}" is not a function.`,
      'Write `defineAgent("name", async (task, { llm }) => ...)`.',
    );
  }
  const agent = (task: unknown, context: AgentContext): unknown => run(task, context);
  Object.defineProperty(agent, "name", { value: name });
  const lines = Function.prototype.toString.call(run).split("\n").length;
  definitions.set(agent, { name, lines, source });
  return agent as unknown as Agent<Run>;
}

/** What is known of an agent; undefined for any other value. */
export function agentDefinition(value: unknown): Definition | undefined {
  return typeof value === "function" ? definitions.get(value) : undefined;
}
