// Sequences that share prefixes lie in one table in depth-first order. `runs[node]` is (first node of the unbroken
// chain that ends here, the node before that chain or NONE): a token's path from itself to the root is the chain
// runs[node].x ..= node, then the one that ends at runs[node].y, and so on.
@group(0) @binding(RUNS_BINDING) var<storage, read> runs: array<vec2u>;
