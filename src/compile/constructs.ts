import type { AnyNode } from "acorn";

/** Dotted text of a callee such as `console.log`, or null where it is more than names. */
export function dottedName(node: AnyNode): string | null {
  if (node.type === "Identifier") return node.name;
  if (node.type === "MemberExpression" && !node.computed && node.property.type === "Identifier") {
    const object = dottedName(node.object);
    return object === null ? null : `${object}.${node.property.name}`;
  }
  return null;
}

const noLoops = "Write `for (let i = 0; i < 8; i++)` with constants, and leave it early by `break`.";
const numbersOnly = "Only numbers and conditions can be computed here; remove it.";
const onlyMath =
  "Only `Math` and functions of your own that compile can be called; or compute the value outside and use the number.";

const names: Readonly<Record<string, readonly [construct: string, fix: string]>> = {
  ArrayExpression: ["array literal", "Give it a name first: `const list = [0, 0, 0]`."],
  ArrowFunctionExpression: ["nested function", "Define it outside, as a function of its own."],
  AwaitExpression: ["`await`", "The function must compute its result at once; remove it."],
  ChainExpression: ["optional chaining `?.`", "State fields always exist: write `.` instead."],
  ClassDeclaration: ["class", numbersOnly],
  ClassExpression: ["class", numbersOnly],
  DebuggerStatement: ["`debugger` statement", "Remove it."],
  DoWhileStatement: ["`do...while` loop", noLoops],
  ForInStatement: ["`for...in` loop", noLoops],
  ForOfStatement: ["`for...of` loop", noLoops],
  FunctionDeclaration: ["nested function", "Define it outside, as a function of its own."],
  FunctionExpression: ["nested function", "Define it outside, as a function of its own."],
  ImportExpression: ["`import()`", numbersOnly],
  LabeledStatement: ["label", "Remove it."],
  MetaProperty: ["`import.meta` or `new.target`", numbersOnly],
  NewExpression: ["`new` expression", numbersOnly],
  ObjectExpression: ["object literal", numbersOnly],
  SequenceExpression: ["comma expression", "Write one expression a statement."],
  SpreadElement: ["spread `...`", "Write the arguments one by one."],
  Super: ["`super`", numbersOnly],
  SwitchStatement: ["`switch` statement", "Use `if` and `else`."],
  TaggedTemplateExpression: ["tagged template", numbersOnly],
  TemplateLiteral: ["template string", numbersOnly],
  ThisExpression: ["`this`", "Use the parameters `s`, `a` and `next`."],
  ThrowStatement: ["`throw` statement", "Return a number instead."],
  TryStatement: ["`try` statement", "Nothing here can throw; remove it."],
  WhileStatement: ["`while` loop", noLoops],
  WithStatement: ["`with` statement", "Remove it."],
  YieldExpression: ["`yield`", "The function must compute its result at once; remove it."],
};

const operatorFixes: Readonly<Record<string, string>> = {
  "|": "For `x | 0` write `Math.trunc(x)`.",
  "~": "For `~~x` write `Math.trunc(x)`.",
  "<<": "Multiply by a power of two instead.",
  ">>": "Divide by a power of two and use `Math.floor`.",
  ">>>": "Divide by a power of two and use `Math.floor`.",
  "??": "Numbers here are never null or undefined; remove it.",
  "??=": "Numbers here are never null or undefined; remove it.",
};

/** The construct in plain words and what to write instead. */
export function describe(node: AnyNode): readonly [construct: string, fix: string] {
  const name = names[node.type];
  if (name !== undefined) return name;
  switch (node.type) {
    case "Literal":
      if (typeof node.value === "string") return ["string literal", numbersOnly];
      if (node.value === null && !("regex" in node)) return ["`null`", numbersOnly];
      if ("bigint" in node) return ["BigInt literal", "Write it without the `n`."];
      return ["regular expression", numbersOnly];
    case "CallExpression": {
      const callee = dottedName(node.callee);
      const fix =
        callee === "Math.random"
          ? "Draw from `random` in `reset` and `step`: `random.uniform()`; a reward is the same for the same transition."
          : callee?.startsWith("console.") === true
            ? "Remove it; a run records the reward of every step."
            : callee?.startsWith("Math.") === true
              ? "Use another Math function; `src/compile/compile.ts` lists those that compile."
              : onlyMath;
      return [callee === null ? "call of an expression" : `call to \`${callee}\``, fix];
    }
    case "AssignmentExpression":
      return [
        `assignment inside an expression`,
        operatorFixes[node.operator] ?? "Make it a statement of its own.",
      ];
    case "UpdateExpression":
      return [`\`${node.operator}\` inside an expression`, "Make it a statement of its own."];
    case "BinaryExpression":
    case "LogicalExpression":
    case "UnaryExpression":
      return [`operator \`${node.operator}\``, operatorFixes[node.operator] ?? numbersOnly];
    default:
      return [`\`${node.type}\``, numbersOnly];
  }
}
