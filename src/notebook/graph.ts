import { FulguriteError } from "../gpu/error.ts";

/** What the graph needs of one cell. */
export interface GraphNode {
  readonly id: string;
  readonly defines: readonly string[];
  readonly free: readonly string[];
  readonly assigned: readonly string[];
}

/** The static dependency graph of a notebook's cells. */
export interface CellGraph {
  /** Which cell defines a name; the first one where several do. */
  readonly definer: ReadonlyMap<string, string>;
  /** Per cell: the names that it takes from other cells, and from which. */
  readonly dependencies: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Per cell: the cells that use its names. */
  readonly dependents: ReadonlyMap<string, ReadonlySet<string>>;
  /** Why a cell cannot run: a name defined twice, a cycle, an assignment to another cell's name. */
  readonly problems: ReadonlyMap<string, FulguriteError>;
  /** Dependencies first. */
  readonly order: readonly string[];
}

/** Builds the graph; duplicates and cycles are reported on every cell concerned. */
export function buildGraph(nodes: readonly GraphNode[]): CellGraph {
  const definers = new Map<string, string[]>();
  for (const { id, defines } of nodes) {
    for (const name of defines) {
      const ids = definers.get(name);
      if (ids) ids.push(id);
      else definers.set(name, [id]);
    }
  }
  const definer = new Map([...definers].map(([name, ids]) => [name, ids[0]!]));
  const dependencies = new Map<string, Map<string, string>>();
  const dependents = new Map<string, Set<string>>(nodes.map(({ id }) => [id, new Set()]));
  const problems = new Map<string, FulguriteError>();
  for (const { id, defines, free, assigned } of nodes) {
    const own = new Set(defines);
    const from = new Map<string, string>();
    for (const name of free) {
      const other = definer.get(name);
      if (other === undefined || own.has(name)) continue;
      from.set(name, other);
      dependents.get(other)!.add(id);
    }
    dependencies.set(id, from);
    const foreign = assigned.find((name) => from.has(name));
    if (foreign !== undefined) problems.set(id, assignmentProblem(foreign, from.get(foreign)!));
  }
  const { order, cycles } = sortByDependency(nodes, dependencies);
  for (const cycle of cycles) for (const id of cycle) problems.set(id, cycleProblem(cycle));
  for (const [name, ids] of definers) {
    if (ids.length < 2) continue;
    for (const id of ids)
      problems.set(
        id,
        duplicateProblem(
          name,
          ids.filter((other) => other !== id),
        ),
      );
  }
  return { definer, dependencies, dependents, problems, order };
}

/** Cells that a cell needs, also through others. */
export const ancestorsOf = ({ dependencies }: CellGraph, id: string): Set<string> =>
  reachable(id, (of) => dependencies.get(of)?.values() ?? []);

/** Cells that need a cell, also through others. */
export const descendantsOf = ({ dependents }: CellGraph, id: string): Set<string> =>
  reachable(id, (of) => dependents.get(of) ?? []);

function reachable(id: string, step: (of: string) => Iterable<string>): Set<string> {
  const found = new Set<string>();
  const next = [id];
  for (let of = next.pop(); of !== undefined; of = next.pop()) {
    for (const other of step(of)) {
      if (found.has(other)) continue;
      found.add(other);
      next.push(other);
    }
  }
  return found;
}

/** Tarjan's strongly connected components, which come out with dependencies first. */
function sortByDependency(
  nodes: readonly GraphNode[],
  dependencies: ReadonlyMap<string, ReadonlyMap<string, string>>,
): { order: string[]; cycles: string[][] } {
  const order: string[] = [];
  const cycles: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const visit = (root: string): void => {
    // An explicit stack: a chain of thousands of cells would overflow the call stack.
    const work: { id: string; next: Iterator<string> }[] = [];
    const enter = (id: string): void => {
      index.set(id, index.size);
      low.set(id, index.get(id)!);
      stack.push(id);
      onStack.add(id);
      work.push({ id, next: new Set(dependencies.get(id)!.values()).values() });
    };
    enter(root);
    for (let frame = work.at(-1); frame; frame = work.at(-1)) {
      const { id, next } = frame;
      const step = next.next();
      if (!step.done) {
        if (!index.has(step.value)) enter(step.value);
        else if (onStack.has(step.value)) low.set(id, Math.min(low.get(id)!, index.get(step.value)!));
        continue;
      }
      work.pop();
      const parent = work.at(-1);
      if (parent) low.set(parent.id, Math.min(low.get(parent.id)!, low.get(id)!));
      if (low.get(id) !== index.get(id)) continue;
      const component = stack.splice(stack.lastIndexOf(id));
      for (const member of component) onStack.delete(member);
      if (component.length > 1) cycles.push(component);
      order.push(...component);
    }
  };
  for (const { id } of nodes) if (!index.has(id)) visit(id);
  return { order, cycles };
}

const list = (ids: readonly string[]): string => ids.map((id) => `\`${id}\``).join(", ");

function duplicateProblem(name: string, others: readonly string[]): FulguriteError {
  return new FulguriteError(
    "notebook/duplicate",
    `\`${name}\` is also defined in ${list(others)}.`,
    "Rename one of them, or put them into one cell.",
  );
}

function cycleProblem(cycle: readonly string[]): FulguriteError {
  return new FulguriteError(
    "notebook/cycle",
    `These cells need each other: ${list(cycle)}.`,
    "Move what they share into a cell of its own.",
  );
}

function assignmentProblem(name: string, owner: string): FulguriteError {
  return new FulguriteError(
    "notebook/assign",
    `\`${name}\` belongs to the cell \`${owner}\` and cannot be changed from here.`,
    "Change it there, or give this value another name.",
  );
}

/** Names that a cell uses and that are not what they were: their cell is `dirty`, or another one, or none any more. */
export function changedNames(
  id: string,
  before: CellGraph,
  after: CellGraph,
  dirty: ReadonlySet<string>,
  isEdited: boolean,
): readonly string[] {
  const names: string[] = [];
  const dependencies = after.dependencies.get(id)!;
  for (const [name, from] of dependencies) {
    if (dirty.has(from) || before.definer.get(name) !== from) names.push(name);
  }
  // A cell that was edited may simply use it no more.
  if (isEdited) return names;
  for (const name of before.dependencies.get(id)?.keys() ?? []) if (!dependencies.has(name)) names.push(name);
  return names;
}
