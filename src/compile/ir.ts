/**
 * The intermediate form of numeric TypeScript: typed, side-effect free expressions, structured statements,
 * functions without recursion. Every back end (WGSL, f32 on the CPU, f64 reference) reads this and nothing
 * else, so a construct is defined once.
 */

export type ScalarType = "f32" | "bool";

/** A fixed-size array of f32; a parameter of this type is passed by reference. */
export interface ArrayType {
  readonly kind: "array";
  readonly length: number;
}

export type UnaryOperator = "negate" | "not" | "abs" | "floor" | "ceil" | "trunc" | "sqrt" | "sign";
export type ArithmeticOperator = "+" | "-" | "*" | "/" | "min" | "max";
export type ComparisonOperator = "<" | "<=" | ">" | ">=" | "==" | "!=";
export type LogicalOperator = "&&" | "||";
export type BinaryOperator = ArithmeticOperator | ComparisonOperator | LogicalOperator;

/** `at` is the offset in the source, for errors found after parsing. */
export type Expression =
  | {
      readonly kind: "number";
      readonly type: "f32";
      /** As written, in f64; f32 back ends round it. Finite and within f32's range. */
      readonly value: number;
      readonly at: number;
    }
  | { readonly kind: "boolean"; readonly type: "bool"; readonly value: boolean; readonly at: number }
  | { readonly kind: "local"; readonly type: ScalarType; readonly local: number; readonly at: number }
  | {
      readonly kind: "element";
      readonly type: "f32";
      /** A local of array type. */
      readonly local: number;
      readonly index: number;
      readonly at: number;
    }
  /** `length` elements from `offset` on; the index is truncated, and held within them. */
  | {
      readonly kind: "item";
      readonly type: "f32";
      readonly local: number;
      readonly index: Expression;
      readonly offset: number;
      readonly length: number;
      readonly at: number;
    }
  | {
      readonly kind: "unary";
      readonly type: ScalarType;
      readonly operator: UnaryOperator;
      readonly operand: Expression;
      readonly at: number;
    }
  | {
      readonly kind: "binary";
      readonly type: ScalarType;
      readonly operator: BinaryOperator;
      readonly left: Expression;
      readonly right: Expression;
      readonly at: number;
    }
  | {
      readonly kind: "select";
      readonly type: ScalarType;
      readonly condition: Expression;
      readonly then: Expression;
      readonly otherwise: Expression;
      readonly at: number;
    }
  | Call;

export interface Call {
  readonly kind: "call";
  readonly type: ScalarType;
  /**
   * A primitive of `library.ts` (sin, exp, ...), one of its functions (atan2, power3, ...), or a key of the
   * program's own functions. One that writes or draws is the whole value of a statement, never a part of it.
   */
  readonly callee: string;
  readonly arguments: readonly Argument[];
  readonly at: number;
}

export type Argument = Expression | Reference;

/** An array, passed by reference. */
export interface Reference {
  readonly kind: "reference";
  readonly local: number;
}

export type Statement =
  /** First value of a local; the local's scope is the rest of the enclosing block. */
  | { readonly kind: "declare"; readonly local: number; readonly value: Expression }
  /** A new array of the values given. */
  | { readonly kind: "array"; readonly local: number; readonly values: readonly Expression[] }
  /** First value of a local: the next uniform random number in [0, 1). */
  | { readonly kind: "draw"; readonly local: number }
  | { readonly kind: "assign"; readonly local: number; readonly value: Expression }
  /** To the element `offset` + `index` of an array; the index is truncated, and held below `length`. */
  | {
      readonly kind: "store";
      readonly local: number;
      readonly index: Expression;
      readonly offset: number;
      readonly length: number;
      readonly value: Expression;
    }
  /** A call for its effect. */
  | { readonly kind: "run"; readonly call: Call }
  | {
      readonly kind: "if";
      readonly condition: Expression;
      readonly then: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  /** `for`, with a number of rounds known beforehand. The local is declared by it and assigned by nothing else. */
  | {
      readonly kind: "loop";
      readonly local: number;
      readonly start: Expression;
      readonly condition: Expression;
      readonly update: Expression;
      readonly body: readonly Statement[];
    }
  | { readonly kind: "break" }
  | { readonly kind: "continue" }
  /** Null where the function has no result. */
  | { readonly kind: "return"; readonly value: Expression | null };

export interface Local {
  readonly name: string;
  readonly type: ScalarType | ArrayType;
  readonly mutable: boolean;
  /** Elements of an array captured from outside; it is never written. */
  readonly constant?: readonly number[];
}

export interface IrFunction {
  readonly name: string;
  /** Parameters first. */
  readonly locals: readonly Local[];
  readonly parameterCount: number;
  /** Null: called for its effect alone. */
  readonly result: ScalarType | null;
  /** Returns on every path, where there is a result. */
  readonly body: readonly Statement[];
  /** Draws random numbers, itself or by a call. */
  readonly draws: boolean;
  /** Parameters of array type that it writes, itself or by a call. */
  readonly writes: ReadonlySet<number>;
  /** The program's own functions, by the names that calls use. Shared, complete once all is lowered. */
  readonly functions: ReadonlyMap<string, IrFunction>;
}

export const isComparison = (operator: BinaryOperator): operator is ComparisonOperator =>
  operator === "<" ||
  operator === "<=" ||
  operator === ">" ||
  operator === ">=" ||
  operator === "==" ||
  operator === "!=";

/** The expressions that a statement itself holds, inner statements left out. */
export function expressionsOf(node: Statement): readonly Expression[] {
  switch (node.kind) {
    case "declare":
    case "assign":
      return [node.value];
    case "array":
      return node.values;
    case "store":
      return [node.index, node.value];
    case "run":
      return [node.call];
    case "if":
      return [node.condition];
    case "loop":
      return [node.start, node.condition, node.update];
    case "return":
      return node.value ? [node.value] : [];
    case "draw":
    case "break":
    case "continue":
      return [];
  }
}

/** The statements inside a statement. */
export const innerStatements = (node: Statement): readonly Statement[] =>
  node.kind === "if" ? [...node.then, ...node.otherwise] : node.kind === "loop" ? node.body : [];

export function visitStatements(body: readonly Statement[], visit: (statement: Statement) => void): void {
  for (const node of body) {
    visit(node);
    visitStatements(innerStatements(node), visit);
  }
}

/** Calls `visit` on every expression, parents first. */
export function visitExpressions(body: readonly Statement[], visit: (expression: Expression) => void): void {
  const expression = (node: Argument): void => {
    if (node.kind === "reference") return;
    visit(node);
    switch (node.kind) {
      case "unary":
        expression(node.operand);
        return;
      case "item":
        expression(node.index);
        return;
      case "binary":
        expression(node.left);
        expression(node.right);
        return;
      case "select":
        expression(node.condition);
        expression(node.then);
        expression(node.otherwise);
        return;
      case "call":
        node.arguments.forEach(expression);
        return;
      default:
    }
  };
  visitStatements(body, (node) => {
    expressionsOf(node).forEach(expression);
  });
}

/** Whether control never goes past the end of these statements. */
export const returnsAlways = (body: readonly Statement[]): boolean =>
  body.some(
    (statement) =>
      statement.kind === "return" ||
      (statement.kind === "if" && returnsAlways(statement.then) && returnsAlways(statement.otherwise)),
  );

/** Whether the statement after this one is never reached. */
export const leaves = (node: Statement): boolean =>
  node.kind === "return" || node.kind === "break" || node.kind === "continue";
