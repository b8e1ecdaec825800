import type {
  AnyNode,
  BlockStatement,
  Expression as ExpressionNode,
  Statement as StatementNode,
  VariableDeclaration,
} from "acorn";
import { type IrFunction, returnsAlways, type Statement } from "./ir.ts";
import { ExpressionLowering, type LowerOptions } from "./lower-expression.ts";
import { Scope } from "./scope.ts";
import type { Source } from "./source.ts";

/** Tint stops at 127 nested statements and counts an `if` and its block apart. */
const MAX_STATEMENT_DEPTH = 48;

/** One function of the numeric subset -> intermediate form. Throws `FulguriteError` for all that is outside. */
export function lower(source: Source, options: LowerOptions): IrFunction {
  return new FunctionLowering(source, options).run();
}

class FunctionLowering {
  readonly #source: Source;
  readonly #options: LowerOptions;
  readonly #scope = new Scope();
  readonly #expressions: ExpressionLowering;
  #depth = 0;

  constructor(source: Source, options: LowerOptions) {
    this.#source = source;
    this.#options = options;
    this.#expressions = new ExpressionLowering(source, options, this.#scope);
  }

  run(): IrFunction {
    const { name, parameters, result, signature } = this.#options;
    const node = this.#source.parse();
    const unsupported = (at: AnyNode, what: string, fix: string): Error =>
      this.#expressions.unsupported(at, what, fix);
    if (node.async) throw unsupported(node, "async function", "Remove `async`.");
    if (node.generator) throw unsupported(node, "generator function", "Remove the `*`.");
    const extra = node.params[parameters.length];
    if (extra) {
      throw unsupported(extra, `parameter ${parameters.length + 1}`, `The function receives ${signature}.`);
    }
    this.#scope.enter([]);
    parameters.forEach((type, i) => {
      const pattern = node.params[i];
      if (!pattern || pattern.type === "Identifier") {
        // No source can name a parameter that it leaves out.
        this.#scope.declare(pattern?.name ?? `#${i}`, type, false);
      } else if (pattern.type === "AssignmentPattern") {
        throw unsupported(pattern, "default value of a parameter", "Remove the default.");
      } else if (pattern.type === "RestElement") {
        throw unsupported(pattern, "rest parameter `...`", "Name the parameters one by one.");
      } else {
        throw unsupported(
          pattern,
          "destructured parameter",
          "Name the parameter and read its fields: `(s, a, next) => next.x`.",
        );
      }
    });
    const body =
      node.body.type === "BlockStatement" ? this.#block(node.body) : [this.#return(node.body, node.body)];
    if (!returnsAlways(body)) {
      throw this.#expressions.type(
        Math.max(node.body.end - 1, 0),
        "the function can end without returning a number",
        "End it with a `return`.",
      );
    }
    return { name, locals: this.#scope.locals, parameterCount: parameters.length, result, body };
  }

  #block(node: BlockStatement): Statement[] {
    return this.#statements(node.body);
  }

  #statements(nodes: readonly StatementNode[]): Statement[] {
    if (++this.#depth > MAX_STATEMENT_DEPTH) throw this.#source.tooDeep(nodes[0]?.start ?? 0);
    const later = nodes.flatMap((node) =>
      node.type === "VariableDeclaration"
        ? node.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []))
        : [],
    );
    this.#scope.enter(later);
    const body = nodes.flatMap((node) => this.#statement(node));
    this.#scope.leave();
    this.#depth--;
    return body;
  }

  /** Body of an `if`: a block, or one statement that is a scope of its own. */
  #branch(node: StatementNode): Statement[] {
    return node.type === "BlockStatement" ? this.#block(node) : this.#statements([node]);
  }

  #statement(node: StatementNode): Statement[] {
    this.#expressions.count(node);
    switch (node.type) {
      case "BlockStatement":
        return this.#block(node);
      case "EmptyStatement":
        return [];
      case "VariableDeclaration":
        return this.#declarations(node);
      case "ExpressionStatement":
        return node.directive === undefined ? [this.#effect(node.expression)] : [];
      case "IfStatement":
        return [
          {
            kind: "if",
            condition: this.#expressions.condition(node.test, "the condition of `if`"),
            then: this.#branch(node.consequent),
            otherwise: node.alternate ? this.#branch(node.alternate) : [],
          },
        ];
      case "ReturnStatement":
        if (!node.argument) {
          throw this.#expressions.type(node.start, "`return` without a value", "Return a number.");
        }
        return [this.#return(node.argument, node.argument)];
      default:
        throw this.#expressions.unsupported(node);
    }
  }

  #return(node: ExpressionNode, at: AnyNode): Statement {
    const value = this.#expressions.expression(node);
    this.#expressions.expect(value, this.#options.result, at, "the function returns");
    return { kind: "return", value };
  }

  #declarations(node: VariableDeclaration): Statement[] {
    if (node.kind !== "const" && node.kind !== "let") {
      throw this.#expressions.unsupported(node, `\`${node.kind}\` declaration`, "Use `const` or `let`.");
    }
    return node.declarations.map(({ id, init }): Statement => {
      if (id.type !== "Identifier") {
        throw this.#expressions.unsupported(
          id,
          "destructuring",
          "Read the fields one by one: `const x = next.x`.",
        );
      }
      if (!init) {
        throw this.#expressions.unsupported(
          id,
          `\`${id.name}\` declared without a value`,
          "Give it a first value.",
        );
      }
      const value = this.#expressions.expression(init);
      return {
        kind: "declare",
        local: this.#scope.declare(id.name, value.type, node.kind === "let"),
        value,
      };
    });
  }

  /** An expression as a statement: only assignments mean anything. */
  #effect(node: ExpressionNode): Statement {
    const lowering = this.#expressions;
    const at = node.start;
    if (node.type === "UpdateExpression") {
      const local = this.#target(node.argument);
      const old = lowering.local(local, at);
      lowering.expect(old, "f32", node, `\`${node.operator}\` takes`);
      const one = { kind: "number", type: "f32", value: 1, at } as const;
      const value = lowering.arithmetic(node.operator === "++" ? "+" : "-", old, one, at);
      return { kind: "assign", local, value };
    }
    if (node.type === "AssignmentExpression") {
      const local = this.#target(node.left);
      const old = lowering.local(local, at);
      const right = lowering.expression(node.right);
      lowering.expect(right, old.type, node.right, "the variable holds");
      switch (node.operator) {
        case "=":
          return { kind: "assign", local, value: right };
        case "+=":
        case "-=":
        case "*=":
        case "/=":
        case "%=":
        case "**=": {
          lowering.expect(old, "f32", node, `\`${node.operator}\` takes`);
          const operator = node.operator.slice(0, -1) as "+" | "-" | "*" | "/" | "%" | "**";
          return { kind: "assign", local, value: lowering.arithmetic(operator, old, right, at) };
        }
        default:
          throw lowering.unsupported(node, `operator \`${node.operator}\``);
      }
    }
    // Calls and the like have better names than "without effect".
    lowering.expression(node);
    throw lowering.unsupported(node, "expression without effect", "Remove it, or return its value.");
  }

  /** The mutable local that an assignment names. */
  #target(node: AnyNode): number {
    const lowering = this.#expressions;
    if (node.type === "MemberExpression") {
      throw lowering.unsupported(node, "assignment to a field", "States are read only; use a `let`.");
    }
    if (node.type !== "Identifier") {
      throw lowering.unsupported(node, "destructuring assignment", "Assign one variable at a time.");
    }
    const binding = this.#scope.lookup(node.name);
    if (typeof binding !== "number") {
      // Unknown names have errors of their own.
      lowering.identifier(node);
      throw lowering.unsupported(
        node,
        `assignment to \`${node.name}\`, which is outside the function,`,
        "Copy it into a `let` first.",
      );
    }
    if (binding < this.#options.parameters.length) {
      throw lowering.unsupported(
        node,
        `assignment to parameter \`${node.name}\``,
        "Copy it into a `let` first.",
      );
    }
    if (!this.#scope.locals[binding]!.mutable) {
      throw lowering.type(node.start, `\`${node.name}\` is a constant`, "Declare it with `let`.");
    }
    return binding;
  }
}
