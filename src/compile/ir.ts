/**
 * The intermediate form of numeric TypeScript: typed, side-effect free expressions, structured statements,
 * functions without recursion. Every back end (WGSL, f32 on the CPU, f64 reference) reads this and nothing
 * else, so a construct is defined once.
 */

/** `i32` is for loop counters and array indices; no front end makes one yet. */
export type ScalarType = "f32" | "i32" | "bool";

/** A fixed-size array of f32, passed by value. */
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
  | {
      readonly kind: "call";
      readonly type: ScalarType;
      /** A primitive of `library.ts` (sin, exp, ...) or one of its functions (atan2, power3, ...). */
      readonly callee: string;
      readonly arguments: readonly Expression[];
      readonly at: number;
    };

export type Statement =
  /** First value of a local; the local's scope is the rest of the enclosing block. */
  | { readonly kind: "declare"; readonly local: number; readonly value: Expression }
  | { readonly kind: "assign"; readonly local: number; readonly value: Expression }
  | {
      readonly kind: "if";
      readonly condition: Expression;
      readonly then: readonly Statement[];
      readonly otherwise: readonly Statement[];
    }
  | { readonly kind: "return"; readonly value: Expression };

export interface Local {
  readonly name: string;
  readonly type: ScalarType | ArrayType;
  readonly mutable: boolean;
}

export interface IrFunction {
  readonly name: string;
  /** Parameters first. */
  readonly locals: readonly Local[];
  readonly parameterCount: number;
  readonly result: ScalarType;
  /** Returns on every path. */
  readonly body: readonly Statement[];
}

export const isComparison = (operator: BinaryOperator): operator is ComparisonOperator =>
  operator === "<" ||
  operator === "<=" ||
  operator === ">" ||
  operator === ">=" ||
  operator === "==" ||
  operator === "!=";

/** Calls `visit` on every expression, parents first. */
export function visitExpressions(body: readonly Statement[], visit: (expression: Expression) => void): void {
  const expression = (node: Expression): void => {
    visit(node);
    if (node.kind === "unary") expression(node.operand);
    else if (node.kind === "binary") {
      expression(node.left);
      expression(node.right);
    } else if (node.kind === "select") {
      expression(node.condition);
      expression(node.then);
      expression(node.otherwise);
    } else if (node.kind === "call") node.arguments.forEach(expression);
  };
  const statement = (node: Statement): void => {
    if (node.kind === "if") {
      expression(node.condition);
      node.then.forEach(statement);
      node.otherwise.forEach(statement);
    } else expression(node.value);
  };
  body.forEach(statement);
}

/** Whether control never goes past the end of these statements. */
export const returnsAlways = (body: readonly Statement[]): boolean =>
  body.some(
    (statement) =>
      statement.kind === "return" ||
      (statement.kind === "if" && returnsAlways(statement.then) && returnsAlways(statement.otherwise)),
  );
