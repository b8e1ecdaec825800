import type { ForStatement, Statement as StatementNode } from "acorn";
import type { FulguriteError } from "../gpu/error.ts";
import { constantValue } from "./constant-value.ts";
import type { BinaryOperator, Expression, Statement } from "./ir.ts";
import type { LowerContext } from "./lower-context.ts";
import type { ExpressionLowering } from "./lower-expression.ts";

const FIX = "Write `for (let i = 0; i < 8; i++)` with constants, and leave it early by `break`.";
const MAX_ROUNDS = 65_536;

/** `for (let i = start; i < end; i += step)` with constants: the rounds are known before it runs. */
export function lowerLoop(
  context: LowerContext,
  expressions: ExpressionLowering,
  node: ForStatement,
  lowerBody: (body: StatementNode) => Statement[],
): Statement {
  const { init, test, update } = node;
  const refuse = (
    at: { readonly start: number } | null | undefined,
    what: string,
    fix = FIX,
  ): FulguriteError =>
    context.source.error(
      "compile/unsupported",
      at?.start ?? node.start,
      `\`for\` loop ${what} cannot be compiled`,
      fix,
    );
  const declarator =
    init?.type === "VariableDeclaration" && init.kind === "let" ? init.declarations[0] : undefined;
  if (
    init?.type !== "VariableDeclaration" ||
    init.declarations.length !== 1 ||
    declarator?.id.type !== "Identifier"
  ) {
    throw refuse(init, "without one `let` counter");
  }
  const { name } = declarator.id;
  context.conditional++;
  const start = declarator.init && expressions.numeric(declarator.init, "=");
  const from = start && constantValue(start);
  if (from == null || !start) throw refuse(declarator, "that does not start at a constant");

  context.scope.enter([]);
  const local = context.scope.add(name, "f32", false);
  context.scope.bind(name, { kind: "scalar", local, constant: null });
  const isCounter = (side: unknown): boolean => {
    const { type, name: own } = side as { readonly type: string; readonly name?: string };
    return type === "Identifier" && own === name;
  };
  if (test?.type !== "BinaryExpression" || !isCounter(test.left) || !/^(<|<=|>|>=)$/.test(test.operator)) {
    throw refuse(test, "whose condition does not compare its counter");
  }
  const condition = expressions.condition(test, "the condition of `for`");
  const end = condition.kind === "binary" ? constantValue(condition.right) : null;
  if (end === null) throw refuse(test.right, "whose end is not a constant");
  let step: number | null = null;
  if (update?.type === "UpdateExpression" && isCounter(update.argument)) {
    step = update.operator === "++" ? 1 : -1;
  } else if (
    update?.type === "AssignmentExpression" &&
    isCounter(update.left) &&
    (update.operator === "+=" || update.operator === "-=")
  ) {
    const size = constantValue(expressions.numeric(update.right, update.operator));
    step = size === null ? null : update.operator === "+=" ? size : -size;
  }
  if (step === null) throw refuse(update, "that does not step by a constant");
  context.conditional--;

  const rounds = countRounds(from, test.operator, end, step, Math.fround);
  if (rounds === null) throw refuse(update, `of more than ${MAX_ROUNDS} rounds`);
  const written = countRounds(from, test.operator, end, step, Number);
  if (rounds !== written) {
    throw refuse(
      update,
      `of ${String(written)} rounds in JavaScript and ${rounds} in 32-bit numbers`,
      `Count in whole numbers, \`for (let ${name} = 0; ${name} < ${rounds}; ${name}++)\`, and multiply.`,
    );
  }
  const around = context.rounds;
  context.repeat(Math.max(rounds, 1), node.start);
  context.rounds = around * Math.max(rounds, 1);
  const body = lowerBody(node.body);
  context.rounds = around;
  context.scope.leave();
  const at = node.start;
  const counter: Expression = { kind: "local", type: "f32", local, at };
  const by: Expression = { kind: "number", type: "f32", value: step, at };
  const next: Expression = { kind: "binary", type: "f32", operator: "+", left: counter, right: by, at };
  return { kind: "loop", local, start, condition, update: next, body };
}

/** Rounds of the loop in numbers that are rounded like this; null for too many. */
function countRounds(
  from: number,
  operator: BinaryOperator | string,
  end: number,
  step: number,
  round: (value: number) => number,
): number | null {
  const last = round(end);
  let i = round(from);
  for (let rounds = 0; rounds <= MAX_ROUNDS; rounds++) {
    const goes =
      operator === "<" ? i < last : operator === "<=" ? i <= last : operator === ">" ? i > last : i >= last;
    if (!goes) return rounds;
    i = round(i + round(step));
  }
  return null;
}
