import type {
  AnyNode,
  BlockStatement,
  Expression as ExpressionNode,
  Statement as StatementNode,
  VariableDeclaration,
} from "acorn";
import { constantValue } from "./constant-value.ts";
import { type IrFunction, leaves, returnsAlways, type Statement, visitStatements } from "./ir.ts";
import { lowerAssignment } from "./lower-assignment.ts";
import { bare, LowerContext } from "./lower-context.ts";
import { ExpressionLowering } from "./lower-expression.ts";
import { lowerLoop } from "./lower-loop.ts";
import { ReturnLowering } from "./lower-return.ts";
import type { EntryOptions, Parameter, Program } from "./program.ts";
import { SCENE_SIZE } from "./scene-list.ts";
import type { Source } from "./source.ts";

/** Tint stops at 127 nested statements and counts an `if` and its block apart. */
const MAX_STATEMENT_DEPTH = 48;

/** One function of the numeric subset -> intermediate form. Throws `FulguriteError` for all that is outside. */
export function lower(
  source: Source,
  program: Program,
  options: EntryOptions,
): { readonly lowered: IrFunction; readonly rounds: number } {
  return new FunctionLowering(source, program, options).run();
}

class FunctionLowering {
  readonly #program: Program;
  readonly #options: EntryOptions;
  readonly #context: LowerContext;
  readonly #expressions: ExpressionLowering;
  readonly #returns: ReturnLowering;
  #depth = 0;

  constructor(source: Source, program: Program, options: EntryOptions) {
    this.#program = program;
    this.#options = options;
    this.#context = new LowerContext(source, program);
    this.#expressions = new ExpressionLowering(this.#context);
    this.#returns = new ReturnLowering(this.#context, this.#expressions, options.result);
  }

  run(): { readonly lowered: IrFunction; readonly rounds: number } {
    const { name, parameters, result } = this.#options;
    const context = this.#context;
    const { scope } = context;
    const node = context.source.parse();
    if (node.async) throw context.unsupported(node, "async function", "Remove `async`.");
    if (node.generator) throw context.unsupported(node, "generator function", "Remove the `*`.");
    scope.enter([]);
    this.#parameters(parameters, node.params);
    let parameterCount = scope.locals.length;
    context.parameterCount = parameterCount;
    if (result === "list") {
      scope.add("list", { kind: "array", length: 0 }, true);
      parameterCount++;
    }
    const body =
      node.body.type === "BlockStatement"
        ? this.#block(node.body)
        : this.#paints(node.body)
          ? lowerAssignment(context, this.#expressions, node.body)
          : this.#returns.lower(node.body, node.body);
    const type = this.#returns.finish(body);
    if (type !== null || result === "list") {
      if (!returnsAlways(body)) {
        throw context.type(
          Math.max(node.body.end - 1, 0),
          `the function can end without returning ${result === "list" ? "a list" : type === "bool" ? "true or false" : "a number"}`,
          "End it with a `return`.",
        );
      }
    }
    visitStatements(body, (statement) => {
      if (statement.kind === "store") context.writes.add(statement.local);
    });
    const writes = [...context.writes].filter((local) => local < parameterCount);
    return {
      lowered: {
        name,
        locals: scope.locals,
        parameterCount,
        result: type,
        body,
        draws: context.draws,
        writes: new Set(writes),
        functions: this.#program.functions,
      },
      rounds: context.mostRounds,
    };
  }

  #parameters(parameters: readonly Parameter[], patterns: readonly AnyNode[]): void {
    const { scope } = this.#context;
    const unsupported = (at: AnyNode, what: string, fix: string): Error =>
      this.#context.unsupported(at, what, fix);
    const extra = patterns[parameters.length];
    if (extra) {
      const { signature } = this.#options;
      throw unsupported(extra, `parameter ${parameters.length + 1}`, `The function receives ${signature}.`);
    }
    parameters.forEach((parameter, i) => {
      const pattern = patterns[i];
      if (pattern && pattern.type !== "Identifier") {
        if (pattern.type === "AssignmentPattern") {
          throw unsupported(pattern, "default value of a parameter", "Remove the default.");
        }
        if (pattern.type === "RestElement") {
          throw unsupported(pattern, "rest parameter `...`", "Name the parameters one by one.");
        }
        throw unsupported(
          pattern,
          "destructured parameter",
          "Name the parameter and read its fields: `(s, a, next) => next.x`.",
        );
      }
      // No source can name a parameter that it leaves out.
      const name = pattern?.name ?? `#${i}`;
      if (parameter === "random") scope.bind(name, { kind: "random" });
      else if (parameter === "paint") {
        const local = scope.add(name, { kind: "array", length: SCENE_SIZE }, true);
        scope.bind(name, { kind: "paint", local });
      } else if (typeof parameter === "string") {
        scope.bind(name, { kind: "scalar", local: scope.add(name, parameter, false), constant: null });
      } else if (parameter.kind === "state") {
        const { layout, writable } = parameter;
        const local = scope.add(name, { kind: "array", length: layout?.size ?? 1 }, writable);
        if (writable && layout) this.#context.state ??= { local, layout };
        scope.bind(name, { kind: "array", local, shape: { kind: "state", layout }, writable });
      } else {
        const { size, offset, length, writable } = parameter;
        const local = scope.add(name, { kind: "array", length: size }, writable);
        scope.bind(name, { kind: "array", local, shape: { kind: "list", offset, length }, writable });
      }
    });
  }

  /** Whether an arrow's expression only paints: such a call gives no value. */
  #paints(node: ExpressionNode): boolean {
    if (node.type !== "CallExpression" || node.callee.type !== "MemberExpression") return false;
    const { object } = node.callee;
    return object.type === "Identifier" && this.#context.scope.lookup(object.name)?.kind === "paint";
  }

  #block(node: BlockStatement): Statement[] {
    return this.#statements(node.body);
  }

  #statements(nodes: readonly StatementNode[]): Statement[] {
    const context = this.#context;
    if (++this.#depth > MAX_STATEMENT_DEPTH) throw context.source.tooDeep(nodes[0]?.start ?? 0);
    const later = nodes.flatMap((node) =>
      node.type === "VariableDeclaration"
        ? node.declarations.flatMap(({ id }) => (id.type === "Identifier" ? [id.name] : []))
        : [],
    );
    context.scope.enter(later);
    const body: Statement[] = [];
    for (const node of nodes) {
      const statements = this.#statement(node);
      // What follows a `return` is checked, and left out.
      if (!body.some(leaves)) body.push(...context.pending, ...statements);
      context.pending = [];
    }
    context.scope.leave();
    this.#depth--;
    return body;
  }

  /** Body of an `if` or a loop: a block, or one statement that is a scope of its own. */
  #branch(node: StatementNode): Statement[] {
    const { pending } = this.#context;
    this.#context.pending = [];
    const body = node.type === "BlockStatement" ? this.#block(node) : this.#statements([node]);
    this.#context.pending = pending;
    return body;
  }

  #statement(node: StatementNode): Statement[] {
    const context = this.#context;
    context.count(node);
    switch (node.type) {
      case "BlockStatement":
        return this.#branch(node);
      case "EmptyStatement":
        return [];
      case "VariableDeclaration":
        return this.#declarations(node);
      case "ExpressionStatement":
        return node.directive === undefined
          ? lowerAssignment(context, this.#expressions, node.expression)
          : [];
      case "IfStatement":
        return [
          {
            kind: "if",
            condition: this.#expressions.condition(node.test, "the condition of `if`"),
            then: this.#branch(node.consequent),
            otherwise: node.alternate ? this.#branch(node.alternate) : [],
          },
        ];
      case "ForStatement":
        return [lowerLoop(context, this.#expressions, node, (body) => this.#branch(body))];
      case "BreakStatement":
      case "ContinueStatement":
        // Acorn has checked that there is a loop around it.
        if (node.label) throw context.unsupported(node.label, "label", "Remove it.");
        return [{ kind: node.type === "BreakStatement" ? "break" : "continue" }];
      case "ReturnStatement":
        return this.#returns.lower(node.argument ?? null, node);
      default:
        throw context.unsupported(node);
    }
  }

  #declarations(node: VariableDeclaration): Statement[] {
    const context = this.#context;
    if (node.kind !== "const" && node.kind !== "let") {
      throw context.unsupported(node, `\`${node.kind}\` declaration`, "Use `const` or `let`.");
    }
    return node.declarations.flatMap(({ id, init }): Statement[] => {
      if (id.type !== "Identifier") {
        throw context.unsupported(id, "destructuring", "Read the fields one by one: `const x = next.x`.");
      }
      if (!init) {
        throw context.unsupported(id, `\`${id.name}\` declared without a value`, "Give it a first value.");
      }
      const before = context.pending;
      context.pending = [];
      const list = this.#list(id.name, init);
      if (list) return [...before, ...list];
      const value = this.#expressions.value(init);
      const mutable = node.kind === "let";
      const local = context.scope.add(id.name, value.type, mutable);
      const constant = mutable || value.type !== "f32" ? null : constantValue(value);
      context.scope.bind(id.name, {
        kind: "scalar",
        local,
        constant: constant !== null && Number.isFinite(constant) ? constant : null,
      });
      const drawn = context.pending;
      context.pending = [];
      return [...before, ...drawn, { kind: "declare", local, value }];
    });
  }

  /** A declaration of a list: a new one, or another name for one that is there; null for any other value. */
  #list(name: string, init: ExpressionNode): Statement[] | null {
    const context = this.#context;
    const values = this.#expressions.elements(bare(init));
    if (values) {
      const local = context.scope.add(name, { kind: "array", length: values.length }, true);
      const shape = { kind: "list", offset: 0, length: values.length } as const;
      const { pending } = context;
      context.pending = [];
      context.scope.bind(name, { kind: "array", local, shape, writable: true });
      return [...pending, { kind: "array", local, values }];
    }
    const list = this.#expressions.access.list(init);
    if (!list || list.length === Infinity) return null;
    const { local, offset, length, writable } = list;
    context.scope.bind(name, { kind: "array", local, shape: { kind: "list", offset, length }, writable });
    return [];
  }
}
