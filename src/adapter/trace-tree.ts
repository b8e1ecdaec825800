import { FulguriteError } from "../gpu/error.ts";
import type { TokenColumns } from "../store/records.ts";
import { agentLightning, genAi } from "../trace/semantic-conventions.ts";

/** What adapters read of a span: one of ours, or one that came from elsewhere with lists in its attributes. */
export interface AdapterSpan {
  readonly spanId: string;
  readonly parentId: string | null;
  readonly sequence: number;
  readonly name: string;
  /** Any one unit and origin, the same for all spans of a trace. */
  readonly startTime: number;
  readonly endTime: number;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly tokens?: TokenColumns;
}

/** A span with those below it, in the order in which they were given. */
export interface TraceNode {
  readonly id: string;
  readonly span: AdapterSpan;
  readonly children: TraceNode[];
}

const missing = (id: string, children: readonly TraceNode[], name: string): TraceNode => ({
  id,
  span: {
    spanId: id,
    parentId: null,
    sequence: children[0]!.span.sequence,
    name,
    startTime: Math.min(...children.map(({ span }) => span.startTime)),
    endTime: Math.max(...children.map(({ span }) => span.endTime)),
    attributes: {},
  },
  children: [...children],
});

/**
 * The tree of a trace (Agent Lightning v0.x, `TraceTree`). A parent that is missing gets a node "agentlightning.virtual" of its
 * id, several roots one "virtual-root" from the earliest start to the latest end; of spans with the same id the first
 * counts. Throws "adapter/empty-trace" for no
 * spans, and "adapter/no-root" where parents go round in a circle.
 */
export function traceTree(spans: readonly AdapterSpan[]): TraceNode {
  if (spans.length === 0) {
    throw new FulguriteError(
      "adapter/empty-trace",
      "There are no spans to make a tree of.",
      "Pass a rollout's spans.",
    );
  }
  const nodes = new Map<string, TraceNode>();
  for (const span of spans) {
    if (!nodes.has(span.spanId)) nodes.set(span.spanId, { id: span.spanId, span, children: [] });
  }
  const roots: TraceNode[] = [];
  const orphans = new Map<string, TraceNode[]>();
  for (const node of nodes.values()) {
    const { parentId } = node.span;
    const parent = parentId === null ? null : nodes.get(parentId);
    if (parent) parent.children.push(node);
    else if (parentId === null) roots.push(node);
    else orphans.set(parentId, [...(orphans.get(parentId) ?? []), node]);
  }
  for (const [id, children] of orphans) roots.push(missing(id, children, agentLightning.virtual));
  if (roots.length === 0) {
    throw new FulguriteError(
      "adapter/no-root",
      "Every span is below another one, in a circle.",
      "Record the trace again; one span has no parent.",
    );
  }
  return roots.length === 1 ? roots[0]! : missing("virtual-root", roots, "virtual-root");
}

/** A node and all below it, each before its children. */
export function* traverse(tree: TraceNode): Generator<TraceNode, void, undefined> {
  const stack = [tree];
  for (let node = stack.pop(); node; node = stack.pop()) {
    yield node;
    for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i]!);
  }
}

/** The node of a span's id; null where the tree has none. */
export function findNode(tree: TraceNode, id: string): TraceNode | null {
  for (const node of traverse(tree)) if (node.id === id) return node;
  return null;
}

/**
 * Puts what hangs directly below the root, for want of a better parent, under the span that encloses it most tightly in
 * time: tracers of different origin often lose the agent that a call belongs to. A chain of single children is
 * followed to where it branches. Changes the tree.
 */
export function repairHierarchy(root: TraceNode): void {
  let tree = root;
  while (tree.children.length === 1) tree = tree.children[0]!;
  for (const node of [...tree.children]) {
    if (tree.children.length === 1) return;
    let parent: TraceNode | null = null;
    let least = Number.POSITIVE_INFINITY;
    const { startTime, endTime } = node.span;
    for (const candidate of traverse(tree)) {
      if (candidate === tree || candidate.id === node.id) continue;
      const { span } = candidate;
      if (span.startTime > startTime || span.endTime < endTime) continue;
      const slack = span.endTime - endTime + startTime - span.startTime;
      if (slack <= 0 || slack >= least) continue;
      least = slack;
      parent = candidate;
    }
    if (!parent) continue;
    tree.children.splice(tree.children.indexOf(node), 1);
    parent.children.push(node);
  }
}

const text = (value: unknown): string | null => (typeof value === "string" ? value : null);

/** The agent that a span is, by the names that frameworks give it; null where it is none. */
export function agentName({ name, attributes }: AdapterSpan): string | null {
  return (
    text(attributes["agent.name"]) ??
    text(attributes[genAi.agentName]) ??
    (attributes["agentops.span.kind"] === "agent" ? text(attributes["operation.name"]) : null) ??
    text(attributes["recipient_agent_type"]) ??
    text(attributes["langchain.chain.type"]) ??
    text(attributes["executor.id"]) ??
    (attributes["type"] === "agent" ? text(attributes[`${agentLightning.operationInput}.name`]) : null) ??
    (name.startsWith("langchain.Chain.") ? text(attributes["lc_name"]) : null)
  );
}

/** Names of the spans as nested lists, `[name, children]`, agents in brackets: for a quick look and for tests. */
export type NamedTree = readonly [name: string, children: readonly NamedTree[]];

export function namesOf({ span, children }: TraceNode): NamedTree {
  const agent = agentName(span);
  return [agent === null ? span.name : `${span.name} [${agent}]`, children.map(namesOf)];
}
