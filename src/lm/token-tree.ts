/**
 * Sequences merged by their common prefixes: every distinct (prefix, token) is one node, so that siblings of a group
 * pay for their prompt once. What a causal transformer computes at a token depends on its path alone.
 */
export interface TokenTree {
  /** Per node, in an order in which a parent precedes its children. */
  readonly tokens: readonly number[];
  readonly positions: readonly number[];
  /** [rows x length]: node of each token of each row; what lies beyond a row's length is 0. */
  readonly paths: Int32Array;
  /** Row in whose path the node first appeared. */
  readonly owners: readonly number[];
  /** Rows taken: from the first asked for until `maxNodes` would have been passed, at least one. */
  readonly rows: number;
}

/** Merges rows `first`, `first` + 1, ... of `tokens` [.. x length], of which the leading `lengths[row]` count. */
export function tokenTree(
  tokens: Int32Array,
  length: number,
  lengths: ArrayLike<number>,
  first: number,
  maxNodes: number,
  vocabularySize: number,
): TokenTree {
  const nodeTokens: number[] = [];
  const positions: number[] = [];
  const owners: number[] = [];
  const paths: number[][] = [];
  // Key: (parent + 1) x vocabulary + token.
  const children = new Map<number, number>();
  for (let row = first; row < lengths.length; row++) {
    if (row > first && nodeTokens.length + lengths[row]! > maxNodes) break;
    const path: number[] = [];
    let parent = -1;
    for (let t = 0; t < lengths[row]!; t++) {
      const token = tokens[row * length + t]!;
      const key = (parent + 1) * vocabularySize + token;
      let node = children.get(key);
      if (node === undefined) {
        node = nodeTokens.length;
        children.set(key, node);
        nodeTokens.push(token);
        positions.push(t);
        owners.push(row - first);
      }
      path.push(node);
      parent = node;
    }
    paths.push(path);
  }
  const table = new Int32Array(paths.length * length);
  paths.forEach((path, row) => table.set(path, row * length));
  return { tokens: nodeTokens, positions, owners, paths: table, rows: paths.length };
}
