import type { Node, Program } from "acorn";

/** What a module's text declares at its top, reads from outside, and assigns outside. */
export interface Names {
  readonly declared: ReadonlySet<string>;
  readonly free: ReadonlySet<string>;
  /** Free names that are assigned, incremented or deleted. */
  readonly assigned: ReadonlySet<string>;
}

// The walker reads any node's fields by name, as ESTree defines them.
type AnyNode = Node & Record<string, unknown>;

const isNode = (value: unknown): value is AnyNode =>
  typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string";
const nodes = (value: unknown): AnyNode[] => (Array.isArray(value) ? value.filter(isNode) : []);

const isFunction = (node: AnyNode): boolean =>
  node.type === "FunctionDeclaration" ||
  node.type === "FunctionExpression" ||
  node.type === "ArrowFunctionExpression";

class Scope {
  readonly names = new Set<string>();
  readonly parent: Scope | null;
  constructor(parent: Scope | null) {
    this.parent = parent;
  }
  has(name: string): boolean {
    return this.names.has(name) || (this.parent?.has(name) ?? false);
  }
}

/** Names bound by a declaration's pattern. */
function* patternNames(node: unknown): Generator<string> {
  if (!isNode(node)) return;
  switch (node.type) {
    case "Identifier":
      yield node["name"] as string;
      break;
    case "ObjectPattern":
      for (const property of nodes(node["properties"])) {
        yield* patternNames(property.type === "RestElement" ? property["argument"] : property["value"]);
      }
      break;
    case "ArrayPattern":
      for (const element of nodes(node["elements"])) yield* patternNames(element);
      break;
    case "RestElement":
      yield* patternNames(node["argument"]);
      break;
    case "AssignmentPattern":
      yield* patternNames(node["left"]);
      break;
    default:
  }
}

/** Names that statements of one block declare in it: let, const, class, function, import. */
function* blockNames(statements: readonly AnyNode[]): Generator<string> {
  for (const statement of statements) {
    const node =
      statement.type === "ExportNamedDeclaration" && isNode(statement["declaration"])
        ? statement["declaration"]
        : statement;
    if (node.type === "VariableDeclaration") {
      for (const declarator of nodes(node["declarations"])) yield* patternNames(declarator["id"]);
    } else if (node.type === "FunctionDeclaration" || node.type === "ClassDeclaration") {
      yield* patternNames(node["id"]);
    } else if (node.type === "ImportDeclaration") {
      for (const specifier of nodes(node["specifiers"])) yield* patternNames(specifier["local"]);
    }
  }
}

/** `var` names that nested blocks hoist to their function. */
function* hoistedNames(node: AnyNode): Generator<string> {
  if (isFunction(node) || node.type === "StaticBlock") return;
  if (node.type === "VariableDeclaration" && node["kind"] === "var") {
    for (const declarator of nodes(node["declarations"])) yield* patternNames(declarator["id"]);
  }
  for (const child of children(node)) yield* hoistedNames(child);
}

function* children(node: AnyNode): Generator<AnyNode> {
  for (const key of Object.keys(node)) {
    const value = node[key];
    if (isNode(value)) yield value;
    else if (Array.isArray(value)) yield* nodes(value);
  }
}

/** Scope analysis of a parsed module; the names a cell defines and those it needs. */
export function analyzeNames(program: Program): Names {
  const free = new Set<string>();
  const assigned = new Set<string>();
  const root = new Scope(null);
  const body = program.body as unknown as AnyNode[];

  const reference = (name: string, scope: Scope, write: boolean): void => {
    if (scope.has(name)) return;
    free.add(name);
    if (write) assigned.add(name);
  };

  /** An assignment target or a binding pattern: only defaults and computed keys are read. */
  const visitPattern = (node: unknown, scope: Scope, declares: boolean): void => {
    if (!isNode(node)) return;
    switch (node.type) {
      case "Identifier":
        if (!declares) reference(node["name"] as string, scope, true);
        break;
      case "ObjectPattern":
        for (const property of nodes(node["properties"])) {
          if (property["computed"] === true) visit(property["key"], scope);
          visitPattern(
            property.type === "RestElement" ? property["argument"] : property["value"],
            scope,
            declares,
          );
        }
        break;
      case "ArrayPattern":
        for (const element of nodes(node["elements"])) visitPattern(element, scope, declares);
        break;
      case "RestElement":
        visitPattern(node["argument"], scope, declares);
        break;
      case "AssignmentPattern":
        visitPattern(node["left"], scope, declares);
        visit(node["right"], scope);
        break;
      default:
        visit(node, scope);
    }
  };

  const visitFunction = (node: AnyNode, outer: Scope): void => {
    const scope = new Scope(outer);
    if (node.type === "FunctionExpression")
      for (const name of patternNames(node["id"])) scope.names.add(name);
    if (node.type !== "ArrowFunctionExpression") scope.names.add("arguments");
    for (const parameter of nodes(node["params"])) {
      for (const name of patternNames(parameter)) scope.names.add(name);
    }
    for (const parameter of nodes(node["params"])) visitPattern(parameter, scope, true);
    const inner = node["body"] as AnyNode;
    if (inner.type !== "BlockStatement") {
      visit(inner, scope);
      return;
    }
    for (const name of hoistedNames(inner)) scope.names.add(name);
    visitBlock(nodes(inner["body"]), scope);
  };

  const visitBlock = (statements: readonly AnyNode[], outer: Scope): void => {
    const scope = new Scope(outer);
    for (const name of blockNames(statements)) scope.names.add(name);
    for (const statement of statements) visit(statement, scope);
  };

  const visit = (node: unknown, scope: Scope): void => {
    if (!isNode(node)) return;
    switch (node.type) {
      case "Identifier":
        reference(node["name"] as string, scope, false);
        return;
      case "MemberExpression":
        visit(node["object"], scope);
        if (node["computed"] === true) visit(node["property"], scope);
        return;
      case "Property":
      case "MethodDefinition":
      case "PropertyDefinition":
        if (node["computed"] === true) visit(node["key"], scope);
        visit(node["value"], scope);
        return;
      case "VariableDeclarator":
        visitPattern(node["id"], scope, true);
        visit(node["init"], scope);
        return;
      case "AssignmentExpression":
        visitPattern(node["left"], scope, false);
        visit(node["right"], scope);
        return;
      case "UpdateExpression":
        visitPattern(node["argument"], scope, false);
        return;
      case "FunctionDeclaration":
      case "FunctionExpression":
      case "ArrowFunctionExpression":
        visitFunction(node, scope);
        return;
      case "ClassDeclaration":
      case "ClassExpression": {
        const inner = new Scope(scope);
        for (const name of patternNames(node["id"])) inner.names.add(name);
        visit(node["superClass"], inner);
        visit(node["body"], inner);
        return;
      }
      case "StaticBlock": {
        const inner = new Scope(scope);
        for (const child of children(node)) for (const name of hoistedNames(child)) inner.names.add(name);
        visitBlock(nodes(node["body"]), inner);
        return;
      }
      case "BlockStatement":
        visitBlock(nodes(node["body"]), scope);
        return;
      case "SwitchStatement": {
        visit(node["discriminant"], scope);
        const inner = new Scope(scope);
        const cases = nodes(node["cases"]);
        for (const name of blockNames(cases.flatMap((one) => nodes(one["consequent"]))))
          inner.names.add(name);
        for (const one of cases) visitChildren(one, inner);
        return;
      }
      case "ForStatement":
      case "ForInStatement":
      case "ForOfStatement": {
        const inner = new Scope(scope);
        const head = (node["init"] ?? node["left"]) as AnyNode | null;
        if (head?.type === "VariableDeclaration")
          for (const name of blockNames([head])) inner.names.add(name);
        else if (node.type !== "ForStatement") visitPattern(head, inner, false);
        visitChildren(node, inner);
        return;
      }
      case "CatchClause": {
        const inner = new Scope(scope);
        for (const name of patternNames(node["param"])) inner.names.add(name);
        visitPattern(node["param"], inner, true);
        visit(node["body"], inner);
        return;
      }
      case "LabeledStatement":
        visit(node["body"], scope);
        return;
      case "BreakStatement":
      case "ContinueStatement":
      case "ImportDeclaration":
      case "MetaProperty":
      case "PrivateIdentifier":
        return;
      case "ExportSpecifier":
        visit(node["local"], scope);
        return;
      default:
        visitChildren(node, scope);
    }
  };

  const visitChildren = (node: AnyNode, scope: Scope): void => {
    for (const child of children(node)) visit(child, scope);
  };

  for (const name of blockNames(body)) root.names.add(name);
  const declared = new Set(root.names);
  // A `var` in a nested block is a local of the cell: neither free nor a name for other cells.
  for (const statement of body) for (const name of hoistedNames(statement)) root.names.add(name);
  for (const statement of body) visit(statement, root);
  return { declared, free, assigned };
}
