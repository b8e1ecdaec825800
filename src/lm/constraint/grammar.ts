import { FulguriteError } from "../../gpu/error.ts";
import { utf8Ranges, type ByteRange } from "./utf8-ranges.ts";

/** One place of an alternative: a byte out of ranges, or a rule by its number. */
export type GrammarElement = { readonly bytes: readonly ByteRange[] } | { readonly rule: number };

/** Rules of alternatives of elements; rule 0 is the root. Over bytes of UTF-8. */
export type Grammar = readonly (readonly (readonly GrammarElement[])[])[];

const invalid = (what: string): FulguriteError =>
  new FulguriteError("lm/invalid-grammar", what, 'Write rules such as: root ::= "yes" | "no" [a-z]{1,5}');

/**
 * A grammar from its text, in the notation of llama.cpp (GBNF): `name ::= alternatives`, one of them `root`; "literals",
 * [classes] and [^classes], ( ), |, and * + ? {n} {n,} {n,m} behind an element; # begins a comment. Escapes: \n \r \t \\ \"
 * \] \[ \xHH \uHHHH. Throws "lm/invalid-grammar", also where a rule begins with itself.
 */
export function parseGrammar(text: string): Grammar {
  return new GrammarParser(text).parse();
}

class GrammarParser {
  readonly #text: string;
  readonly #rules: GrammarElement[][][] = [];
  readonly #numbers = new Map<string, number>();
  readonly #defined = new Set<number>();
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): Grammar {
    this.#number("root");
    for (this.#space(true); this.#at < this.#text.length; this.#space(true)) {
      const number = this.#number(this.#name());
      this.#space(false);
      this.#expect("::=");
      if (this.#defined.has(number)) throw invalid("A rule is defined twice.");
      this.#defined.add(number);
      this.#rules[number] = this.#alternatives(false);
    }
    for (const [name, number] of this.#numbers) {
      if (!this.#defined.has(number)) throw invalid(`The grammar has no rule "${name}".`);
    }
    refuseLeftRecursion(this.#rules);
    return this.#rules;
  }

  #number(name: string): number {
    const known = this.#numbers.get(name);
    if (known !== undefined) return known;
    const number = this.#rules.push([]) - 1;
    this.#numbers.set(name, number);
    return number;
  }

  #rule(alternatives: GrammarElement[][]): GrammarElement {
    return { rule: this.#rules.push(alternatives) - 1 };
  }

  #alternatives(nested: boolean): GrammarElement[][] {
    const all = [this.#sequence(nested)];
    while (this.#text[this.#at] === "|") {
      this.#at++;
      all.push(this.#sequence(nested));
    }
    return all;
  }

  #sequence(nested: boolean): GrammarElement[] {
    const elements: GrammarElement[] = [];
    for (;;) {
      this.#space(nested);
      const next = this.#text[this.#at];
      if (next === undefined || next === "\n" || next === "|" || next === ")") return elements;
      elements.push(...this.#repeated(this.#element(next)));
    }
  }

  #element(next: string): GrammarElement[] {
    if (next === '"') return this.#literal();
    if (next === "[") return [this.#class()];
    if (next === "(") {
      this.#at++;
      const inner = this.#alternatives(true);
      this.#expect(")");
      return [this.#rule(inner)];
    }
    return [{ rule: this.#number(this.#name()) }];
  }

  #repeated(element: GrammarElement[]): GrammarElement[] {
    const times = this.#times();
    if (!times) return element;
    const [least, most] = times;
    const made = Array.from({ length: least }, () => element).flat();
    if (most === Infinity) {
      const loop: GrammarElement[][] = [[]];
      const rule = this.#rule(loop);
      loop.unshift([...element, rule]);
      return [...made, rule];
    }
    let rest: GrammarElement[] = [];
    for (let i = least; i < most; i++) rest = [this.#rule([[...element, ...rest], []])];
    return [...made, ...rest];
  }

  #times(): readonly [number, number] | null {
    const mark = this.#text[this.#at];
    const plain = ({ "*": [0, Infinity], "+": [1, Infinity], "?": [0, 1] } as const)[mark as "*" | "+" | "?"];
    if (mark !== undefined && plain !== undefined) {
      this.#at++;
      return plain;
    }
    const match = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#text.slice(this.#at, this.#at + 24));
    if (!match) return null;
    this.#at += match[0].length;
    const least = Number(match[1]);
    const most = match[2] === undefined ? least : match[3] === "" ? Infinity : Number(match[3]);
    if (most < least || least > 4_096 || (most !== Infinity && most > 4_096)) {
      throw invalid(`"${match[0]}" is no repetition of up to 4,096.`);
    }
    return [least, most];
  }

  #literal(): GrammarElement[] {
    this.#at++;
    let text = "";
    while (this.#text[this.#at] !== '"') text += String.fromCodePoint(this.#character());
    this.#at++;
    return Array.from(new TextEncoder().encode(text), (byte) => ({ bytes: [[byte, byte]] }));
  }

  #class(): GrammarElement {
    this.#at++;
    const inverted = this.#text[this.#at] === "^";
    if (inverted) this.#at++;
    const ranges: [number, number][] = [];
    while (this.#text[this.#at] !== "]") {
      const low = this.#character();
      let high = low;
      if (this.#text[this.#at] === "-" && this.#text[this.#at + 1] !== "]") {
        this.#at++;
        high = this.#character();
      }
      if (high < low) throw invalid("A range of a class runs backwards.");
      ranges.push([low, high]);
    }
    this.#at++;
    const sequences = (inverted ? complement(ranges) : ranges).flatMap(([low, high]) =>
      utf8Ranges(low, high),
    );
    const single = sequences.filter(({ length }) => length === 1).map(([range]) => range!);
    if (single.length === sequences.length) return { bytes: single };
    const longer = sequences
      .filter(({ length }) => length > 1)
      .map((sequence) => sequence.map((range): GrammarElement => ({ bytes: [range] })));
    return this.#rule([...(single.length > 0 ? [[{ bytes: single }]] : []), ...longer]);
  }

  #character(): number {
    const point = this.#text.codePointAt(this.#at);
    if (point === undefined || point === 10) throw invalid("A literal or a class has no end.");
    this.#at += point > 0xffff ? 2 : 1;
    if (point !== 92) return point;
    const escape = this.#text[this.#at++]!;
    const simple = { n: 10, r: 13, t: 9 }[escape];
    if (simple !== undefined) return simple;
    const digits = { x: 2, u: 4 }[escape] ?? 0;
    if (digits === 0) return escape.codePointAt(0) ?? 0;
    const code = this.#text.slice(this.#at, this.#at + digits);
    this.#at += digits;
    if (!/^[0-9a-f]+$/i.test(code) || code.length !== digits) throw invalid("An escape lacks its digits.");
    return Number.parseInt(code, 16);
  }

  #name(): string {
    const name = /^[A-Za-z][\w-]*/.exec(this.#text.slice(this.#at, this.#at + 200))?.[0];
    if (name === undefined) {
      throw invalid(`${JSON.stringify(this.#text.slice(this.#at, this.#at + 20))} is not understood here.`);
    }
    this.#at += name.length;
    return name;
  }

  #expect(text: string): void {
    if (!this.#text.startsWith(text, this.#at)) throw invalid(`A "${text}" is missing.`);
    this.#at += text.length;
  }

  #space(lines: boolean): void {
    for (;;) {
      const next = this.#text[this.#at];
      if (next === "#") while (this.#at < this.#text.length && this.#text[this.#at] !== "\n") this.#at++;
      else if (next === " " || next === "\t" || next === "\r" || (lines && next === "\n")) this.#at++;
      else return;
    }
  }
}

function complement(ranges: readonly (readonly [number, number])[]): [number, number][] {
  const found: [number, number][] = [];
  let from = 0;
  for (const [low, high] of ranges.toSorted(([a], [b]) => a - b)) {
    if (low > from) found.push([from, low - 1]);
    from = Math.max(from, high + 1);
  }
  if (from <= 0x10ffff) found.push([from, 0x10ffff]);
  return found;
}

/** A rule that can begin with itself would be entered for ever. */
function refuseLeftRecursion(rules: Grammar): void {
  const nullable = new Set<number>();
  for (let grown = true; grown;) {
    grown = false;
    rules.forEach((alternatives, rule) => {
      const empty = alternatives.some((elements) =>
        elements.every((element) => "rule" in element && nullable.has(element.rule)),
      );
      if (!empty || nullable.has(rule)) return;
      nullable.add(rule);
      grown = true;
    });
  }
  const begins = rules.map((alternatives) => {
    const first = new Set<number>();
    for (const elements of alternatives) {
      for (const element of elements) {
        if (!("rule" in element)) break;
        first.add(element.rule);
        if (!nullable.has(element.rule)) break;
      }
    }
    return first;
  });
  const state = new Uint8Array(rules.length);
  const visit = (rule: number): void => {
    if (state[rule] === 2) return;
    if (state[rule] === 1) throw invalid("A rule begins with itself.");
    state[rule] = 1;
    for (const next of begins[rule]!) visit(next);
    state[rule] = 2;
  };
  rules.forEach((_, rule) => {
    visit(rule);
  });
}
