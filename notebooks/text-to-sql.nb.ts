// fulgurite: 1
import {
  complete,
  defineAgent,
  defineReward,
  display,
  file,
  filteredCloning,
  grpo,
  table,
  text,
  train,
  wordPolicy,
} from "fulgurite";

// %% [md] intro
/*
# Text to SQL, learned from what a database answers

You ask *average grade per city*, a model of 137,536 parameters writes the query, and a real SQLite runs it. The model begins as an imitation of old logs, of which about four in ten are wrong: they forget the JOIN, mix up averages and totals, drop a condition. Then it tries, eight times a question, and a reward looks at what the database answers. The policy is told what its own query was worth, and never what the right one is.

All evaluations are on schemas that it has never seen. At the end you can ask a database of your own.
*/

// %% [md] about-world
/*
## The world it lives in

Folded below: schemas of two or three tables drawn at random, databases with random rows, questions, the linking of names to places, SQLite, and the damaged logs. Unfold what you want to change.
*/

// %% schemas fold
export interface Table {
  readonly name: string;
  readonly key: string;
  /** Number of the table that `link` points at. */
  readonly parent: number | null;
  readonly link: string;
}

export interface Column {
  readonly name: string;
  readonly table: number;
  readonly numeric: boolean;
  /** What the policy calls it: c0 to c6. */
  readonly slot: number;
  /** Another of the tables has a column of this name, so that SQL asks for the table's too. */
  readonly ambiguous?: boolean;
}

export interface Schema {
  readonly tables: readonly Table[];
  readonly columns: readonly Column[];
}

/** Numbers in [0, 1) that depend on the seed alone (mulberry32). */
export function randomNumbers(seed: number) {
  let state = Math.imul(seed, 0x9e3779b1);
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const below = (count: number): number => Math.floor(next() * count);
  const pick = <Item>(list: readonly Item[]): Item => list[below(list.length)]!;
  const shuffle = <Item>(list: readonly Item[]): Item[] => {
    const copy = [...list];
    for (let i = copy.length - 1; i > 0; i--) {
      const j = below(i + 1);
      [copy[i], copy[j]] = [copy[j]!, copy[i]!];
    }
    return copy;
  };
  return { next, below, pick, shuffle };
}

const things =
  "student teacher school player team club order product shop driver car garage artist album label pilot flight airport doctor patient ward writer book library cook dish kitchen farmer field village ship harbour island";
const numbers =
  "age price score year weight height length budget distance capacity rating salary points duration speed depth floors pages seats stock";
const texts =
  "city colour country genre level status rank season language region shape style brand mood material position shift branch topic origin";
export const words = ["amber", "blue", "coral", "green"];

/** A schema as the task draws it: two or three tables in a tree, four to seven columns, names unlike each other. */
export function randomSchema(seed: number): Schema {
  const { next, below, pick, shuffle } = randomNumbers(seed);
  const count = pick([2, 2, 3]);
  const names = shuffle(things.split(" ")).slice(0, count);
  const tables = names.map((name, i): Table => {
    const parent = i === 0 ? null : i === 1 ? 0 : below(2);
    return { name: `${name}s`, key: "id", parent, link: parent === null ? "" : `${names[parent]!}_id` };
  });
  const slots = shuffle([0, 1, 2, 3, 4, 5, 6]).slice(0, 4 + below(4));
  const numeric = slots.map(() => next() < 0.5);
  if (!numeric.includes(true)) numeric[0] = true;
  if (!numeric.includes(false)) numeric[numeric.length - 1] = false;
  const pools = { n: shuffle(numbers.split(" ")), s: shuffle(texts.split(" ")) };
  const columns = slots.map((slot, i): Column => ({
    name: pools[numeric[i] ? "n" : "s"].pop()!,
    table: i < count ? i : below(count),
    numeric: numeric[i]!,
    slot,
  }));
  return { tables, columns };
}

/** Two schemas of one structure differ in names only. */
export function structureOf({ tables, columns }: Schema): string {
  const parts = columns.map(({ slot, table, numeric }) => `c${slot}@t${table}${numeric ? "n" : "s"}`);
  return [...parts.sort(), ...tables.map(({ parent }) => String(parent))].join(" ");
}

/** Made by hand for the lesson below; no schema that is drawn has its structure. */
export const university: Schema = {
  tables: [
    { name: "students", key: "id", parent: null, link: "" },
    { name: "enrollments", key: "id", parent: 0, link: "student_id" },
  ],
  columns: [
    { name: "city", table: 0, numeric: false, slot: 0 },
    { name: "age", table: 0, numeric: true, slot: 1 },
    { name: "course", table: 1, numeric: false, slot: 2 },
    { name: "grade", table: 1, numeric: true, slot: 3 },
    { name: "year", table: 1, numeric: true, slot: 4 },
  ],
};

/** Seeds of `count` schemas of different structures. */
export function schemaSeeds(count: number): number[] {
  const seen = new Set([structureOf(university)]);
  const seeds: number[] = [];
  for (let seed = 1; seeds.length < count; seed++) {
    const structure = structureOf(randomSchema(seed));
    if (seen.has(structure)) continue;
    seen.add(structure);
    seeds.push(seed);
  }
  return seeds;
}

// %% databases fold
/** SQL that makes one instance of a schema: 9 to 14 rows a table, numbers from 1 to 30, texts from four words. */
export function databaseScript({ tables, columns }: Schema, seed: number): string {
  const { below, pick } = randomNumbers(seed);
  const rows = tables.map(() => 9 + below(6));
  return tables
    .map(({ name, key, parent, link }, t) => {
      const own = columns.filter(({ table }) => table === t);
      const fields = [
        `${key} INTEGER PRIMARY KEY`,
        ...(parent === null ? [] : [`${link} INTEGER REFERENCES ${tables[parent]!.name}`]),
        ...own.map((column) => `${column.name} ${column.numeric ? "INTEGER" : "TEXT"}`),
      ];
      const values = Array.from({ length: rows[t]! }, (_, row) => {
        const cells = [
          row + 1,
          ...(parent === null ? [] : [1 + below(rows[parent]!)]),
          ...own.map(({ numeric }) => (numeric ? 1 + below(30) : `'${pick(words)}'`)),
        ];
        return `(${cells.join(", ")})`;
      });
      return `CREATE TABLE ${name} (${fields.join(", ")});\nINSERT INTO ${name} VALUES ${values.join(", ")};`;
    })
    .join("\n");
}

// %% questions fold
/** A question in words, and the answer in the policy's tokens. */
export interface Question {
  readonly text: string;
  /** Tokens of the right query. */
  readonly gold: readonly string[];
  readonly kind: "sel" | "agg" | "cnt" | "grp" | "top" | "cntgrp";
  readonly join: boolean;
  /** Kind, function, join and condition: what is held out as a whole. */
  readonly composition: string;
}

const functions = {
  average: "AVG(",
  mean: "AVG(",
  total: "SUM(",
  sum: "SUM(",
  lowest: "MIN(",
  minimum: "MIN(",
  highest: "MAX(",
  maximum: "MAX(",
} as const;

/** Maxima over joined and filtered tables are asked in evaluations only. */
export const isHeldOutComposition = (composition: string): boolean => composition.endsWith("MAX( join where");

/** One question about a schema; draws until it fits. */
export function randomQuestion(schema: Schema, seed: number): Question {
  const random = randomNumbers(seed);
  for (;;) {
    const kind = random.pick(["sel", "agg", "cnt", "grp", "grp", "top", "cntgrp"] as const);
    for (let attempt = 0; attempt < 40; attempt++) {
      const question = drawQuestion(schema, kind, random);
      if (question) return question;
    }
  }
}

function drawQuestion(
  schema: Schema,
  kind: Question["kind"],
  random: ReturnType<typeof randomNumbers>,
): Question | null {
  const { tables, columns } = schema;
  const { next, below, pick } = random;
  const first = pick(columns);
  const second = pick(columns);
  const counted = below(tables.length);
  const condition = kind === "sel" || next() < 0.45 ? pick(columns) : null;
  const [word, call] = pick(Object.entries(functions));
  const per = pick(["for each", "per", "by"]);
  const how = pick(["how many", "number of"]);
  const [extreme, order] = pick([
    ["highest", "DESC"],
    ["maximum", "DESC"],
    ["lowest", "ASC"],
    ["minimum", "ASC"],
  ]);
  const limit = pick([1, 3]);
  const value = 5 + below(21);
  const counts = kind === "cnt" || kind === "cntgrp";
  const grouped = kind === "grp" || kind === "cntgrp";
  const ordered = kind === "top";
  if ((kind === "agg" || kind === "grp") && !first.numeric) return null;
  if (grouped && second.numeric) return null;
  if (ordered && !second.numeric) return null;
  if ((grouped || ordered) && !counts && first === second) return null;

  const used = [
    ...(counts ? [] : [first]),
    ...(grouped || ordered ? [second] : []),
    ...(condition ? [condition] : []),
  ];
  const from = joinOf(schema, [...(counts ? [counted] : []), ...used.map(({ table }) => table)]);
  if (!from) return null;
  // Joining a child in would count the child's rows.
  if (counts && from.join && from.parent === counted) return null;

  const c = ({ slot }: Column): string => `c${slot}`;
  const filter = condition && filterOf(condition, random, value);
  const where = filter ? ["WHERE", c(condition), filter.sign, "v0"] : [];
  const tail = filter ? ` ${filter.text}` : "";
  const asked = counts
    ? `${how} ${tables[counted]!.name}`
    : kind === "sel"
      ? `${pick(["list", "show"])} ${first.name}`
      : `${word} ${first.name}`;
  const measure = counts ? ["COUNT(*)"] : [call, c(first), ")"];
  const made = {
    sel: { text: asked, gold: ["SELECT", c(first), ...from.tokens, ...where] },
    agg: { text: asked, gold: ["SELECT", ...measure, ...from.tokens, ...where] },
    cnt: { text: asked, gold: ["SELECT", ...measure, ...from.tokens, ...where] },
    grp: {
      text: `${asked} ${per} ${second.name}`,
      gold: ["SELECT", c(second), ",", ...measure, ...from.tokens, ...where, "GROUPBY", c(second)],
    },
    cntgrp: {
      text: `${asked} ${per} ${second.name}`,
      gold: ["SELECT", c(second), ",", ...measure, ...from.tokens, ...where, "GROUPBY", c(second)],
    },
    top: {
      text: `top ${limit} ${first.name} by ${extreme!} ${second.name}`,
      gold: [
        "SELECT",
        c(first),
        ...from.tokens,
        ...where,
        "ORDERBY",
        c(second),
        order!,
        "LIMIT",
        `k${limit}`,
      ],
    },
  }[kind];
  const called = kind === "agg" || kind === "grp" ? call : "";
  const composition = [kind, called, from.join ? "join" : "one", filter ? "where" : "all"].join(" ");
  return { kind, join: from.join, composition, text: made.text + tail, gold: made.gold };
}

function filterOf(
  { name, numeric }: Column,
  { pick, next }: ReturnType<typeof randomNumbers>,
  value: number,
) {
  const start = `${pick(["with", "whose"])} ${name}`;
  if (!numeric) return { sign: "=", text: `${start} is ${pick(words)}` };
  const more = next() < 0.5;
  return {
    sign: more ? ">" : "<",
    text: `${start} ${pick(more ? ["over", "above"] : ["under", "below"])} ${value}`,
  };
}

/** FROM for a set of tables: one, or a parent with its child; null for anything else. */
export function joinOf({ tables }: Schema, numbers: readonly number[]) {
  const [one, two, ...others] = [...new Set(numbers)].sort();
  if (one === undefined || others.length > 0) return null;
  if (two === undefined) return { join: false, parent: one, tokens: ["FROM", `t${one}`] };
  if (tables[two]!.parent !== one) return null;
  const tokens = ["FROM", `t${one}`, "JOIN", `t${two}`, "ON", `t${one}`, ".id", "=", `t${two}`, ".fk"];
  return { join: true, parent: one, tokens };
}

// %% linking fold
/** Words that a question may be made of, beside names and values. */
export const questionWords =
  "list show average mean total sum lowest minimum highest maximum how many number of for each per by top with whose is over above under below".split(
    " ",
  );

/** What the policy reads: the schema, then the question with names and values replaced by slots. */
export interface Linked {
  readonly prompt: string;
  /** What v0 stands for; null where the question has no value. */
  readonly value: string | number | null;
  /** Words that were left out. */
  readonly unknown: readonly string[];
}

/** Words of a text, and what stands in quotes as one. */
const wordsOf = (said: string): string[] => said.match(/"[^"]*"|'[^']*'|[^\s,?!]+/g) ?? [];

/** Words as one name, whatever their case; double quotes around a word may be left out. */
const nameOf = (said: readonly string[]): string =>
  said.map((word) => word.replace(/^"|"$/g, "").toLowerCase()).join(" ");

/** How many words of `said` from the i-th on are the name; 0 where it is another. */
function wordsOfName(said: readonly string[], i: number, name: string): number {
  const wanted = nameOf(wordsOf(name));
  const most = wordsOf(name).length;
  for (let count = most; count > 0; count--) {
    if (nameOf(said.slice(i, i + count)) === wanted) return count;
  }
  return 0;
}

/** Names are found by comparing text, outside the policy: so it can read schemas whose words it has never seen. */
export function link({ tables, columns }: Schema, question: string): Linked {
  const parts = [
    ...tables.map(({ parent }, t) => (parent === null ? `t${t}` : `t${t}<t${parent}`)),
    ...columns.map(({ slot, table, numeric }) => `c${slot}@t${table}${numeric ? "n" : "s"}`),
  ];
  const unknown: string[] = [];
  const tokens: string[] = [];
  let value: string | number | null = null;
  const said = wordsOf(question);
  // Columns before tables, and the longest name of all.
  const names = [
    ...columns.map(({ name, slot }) => ({ name, token: `c${slot}` })),
    ...tables.map(({ name }, t) => ({ name, token: `t${t}` })),
  ];
  for (let i = 0; i < said.length; i++) {
    const raw = said[i]!;
    const word = raw.toLowerCase();
    let [length, named] = [0, ""];
    // "is" calls for a value, and quotes say where it begins.
    if (!(tokens.at(-1) === "is" && /^["']/.test(raw))) {
      for (const { name, token } of names) {
        const count = wordsOfName(said, i, name);
        if (count > length) [length, named] = [count, token];
      }
    }
    if (length > 0) {
      tokens.push(named);
      i += length - 1;
    } else if (tokens.at(-1) === "top" && (word === "1" || word === "3")) tokens.push(`k${word}`);
    else if (questionWords.includes(word)) tokens.push(word);
    else if (value === null && (/^["'\d.-]/.test(word) || tokens.at(-1) === "is")) {
      value = /^-?[\d.]+$/.test(word) ? Number(word) : raw.replace(/^["']|["']$/g, "");
      tokens.push("v0");
    } else unknown.push(raw);
  }
  return { prompt: [...parts, "?", ...tokens].join(" "), value, unknown };
}

/** SQL text of the policy's tokens. */
export function render(
  { tables, columns }: Schema,
  value: Linked["value"],
  tokens: readonly string[],
): string {
  let table: Table | null = null;
  return tokens
    .map((token) => {
      const number = Number(token.slice(1));
      if (/^t\d$/.test(token)) {
        table = tables[number] ?? null;
        return table ? quoted(table.name) : token;
      }
      if (/^c\d$/.test(token)) {
        const column = columns.find(({ slot }) => slot === number);
        if (!column) return token;
        return `${column.ambiguous ? `${quoted(tables[column.table]!.name)}.` : ""}${quoted(column.name)}`;
      }
      if (token === ".id") return `.${quoted(table?.key ?? "id")}`;
      if (token === ".fk") return `.${quoted(table?.link || "fk")}`;
      if (token === "v0")
        return typeof value === "string" ? `'${value.replaceAll("'", "''")}'` : String(value ?? "NULL");
      if (/^k\d$/.test(token)) return String(number);
      if (token === "GROUPBY") return "GROUP BY";
      if (token === "ORDERBY") return "ORDER BY";
      return token;
    })
    .reduce((sql, part, i) => {
      const [before = "", token = ""] = i === 0 ? [] : [tokens[i - 1], tokens[i]];
      // "t0 .id" is one name in SQL.
      const isOfTable = token.startsWith(".") && /^t\d$/.test(before);
      const glued = i === 0 || isOfTable || before.endsWith("(") || /^[),]/.test(token);
      return `${sql}${glued ? "" : " "}${part}`;
    }, "");
}

/** Words that SQLite does not take for a name. */
const keywords =
  "add all alter and as autoincrement between by case cast check collate commit constraint create cross current_date current_time current_timestamp default deferrable delete distinct drop else escape except exists foreign from full group having if in index indexed inner insert intersect into is isnull join left limit natural not nothing notnull null offset on or order outer primary raise references returning right select set table then to transaction union unique update using values when where with".split(
    " ",
  );

/** A name as SQL reads it: in quotes where it is a keyword, or more than letters, digits and underscores. */
const quoted = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/i.test(name) && !keywords.includes(name.toLowerCase())
    ? name
    : `"${name.replaceAll('"', '""')}"`;

// %% sqlite fold
import initSqlJs from "sql.js";

export type SqlDatabase = InstanceType<Awaited<ReturnType<typeof initSqlJs>>["Database"]>;

/** An instance of a schema with what it answered so far. */
interface Instance {
  readonly database: SqlDatabase;
  readonly known: Map<string, Rows>;
}

type Sqlite = Awaited<ReturnType<typeof initSqlJs>> & { pairs?: Map<string, Instance[]> };

/** SQLite, compiled to WebAssembly: one and the same wherever this is evaluated. */
const sqlite = (): Promise<Sqlite> => initSqlJs();

/** Rows of a query, at most 200, reals to six digits; or what SQLite had to say against it. */
export type Rows = { readonly rows: readonly string[] } | { readonly error: string };

/** One of the two instances of a schema that the task draws, by number 0 or 1; `await sqlite()` comes first. */
export function instanceOf(
  { Database }: Sqlite,
  schema: Schema,
  seed: number,
  instance: number,
): SqlDatabase {
  const database = new Database();
  database.run(databaseScript(schema, 2 * seed + instance));
  return database;
}

/**
 * A query on the two instances of a schema, which are made when they are first asked. 150 pairs stay open; SQLite itself
 * holds them, because a reward's code is evaluated anew for every batch, and what it had opened would never be closed.
 */
export async function ask(schema: Schema, seed: number, sql: string): Promise<readonly [Rows, Rows]> {
  const module = await sqlite();
  const pairs = (module.pairs ??= new Map<string, Instance[]>());
  // By the text that makes them too: whoever edits it means other databases.
  const key = `${seed} ${structureOf(schema)} ${String(databaseScript)}`;
  let pair = pairs.get(key);
  if (!pair) {
    for (const [oldest, instances] of pairs) {
      if (pairs.size < 150) break;
      pairs.delete(oldest);
      for (const { database } of instances) database.close();
    }
    pair = [0, 1].map((instance) => ({
      database: instanceOf(module, schema, seed, instance),
      known: new Map<string, Rows>(),
    }));
    pairs.set(key, pair);
  }
  return pair.map(({ database, known }) => {
    let rows = known.get(sql);
    if (!rows) known.set(sql, (rows = rowsOf(database, sql)));
    return rows;
  }) as unknown as readonly [Rows, Rows];
}

export function rowsOf(database: SqlDatabase, sql: string): Rows {
  const rows: string[] = [];
  try {
    for (const statement of database.iterateStatements(sql)) {
      while (rows.length < 200 && statement.step()) {
        const cells = statement
          .get()
          .map((cell) => (typeof cell === "number" ? Number(cell.toPrecision(6)) : cell));
        rows.push(JSON.stringify(cells));
      }
    }
    return { rows };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** "missing": what it names is not there. "wrong": other rows. */
export type Verdict = "exact" | "equivalent" | "syntax" | "missing" | "wrong";

/** Judges a query against the right one, by running both on two databases. */
export async function judge(schema: Schema, seed: number, sql: string, right: string): Promise<Verdict> {
  if (sql === right) return "exact";
  if (sql === "") return "syntax";
  const found = await ask(schema, seed, sql);
  const expected = await ask(schema, seed, right);
  let verdict: Verdict = "equivalent";
  for (const [i, one] of found.entries()) {
    if ("error" in one) return /syntax|incomplete|unrecognized/.test(one.error) ? "syntax" : "missing";
    const other = expected[i]!;
    if ("error" in other) throw new Error(other.error);
    const list = (rows: readonly string[]): string =>
      (right.includes("ORDER BY") ? [...rows] : [...rows].sort()).join("\n");
    if (list(one.rows) !== list(other.rows)) verdict = "wrong";
  }
  return verdict;
}

// %% logs fold
/** Old logs: right queries damaged as people damage them. About 4 in 10 are wrong. */
export function damaged(gold: readonly string[], { next, pick }: ReturnType<typeof randomNumbers>): string[] {
  let tokens = [...gold];
  const join = tokens.indexOf("JOIN");
  if (join >= 0 && next() < 0.6) {
    const kept = pick([tokens[join - 1]!, tokens[join + 1]!]);
    tokens.splice(join - 1, 9, kept);
  }
  const calls = ["AVG(", "SUM(", "MIN(", "MAX("];
  if (next() < 0.2) tokens = tokens.map((token) => (calls.includes(token) ? pick(calls) : token));
  const where = tokens.indexOf("WHERE");
  if (where >= 0 && next() < 0.15) tokens.splice(where, 4);
  if (next() < 0.1) tokens = tokens.map((token) => (token === "<" ? ">" : token === ">" ? "<" : token));
  if (next() < 0.15)
    tokens = tokens.map((token) => (token === "ASC" ? "DESC" : token === "DESC" ? "ASC" : token));
  return tokens;
}
/** What somebody asked long ago, and the query that they ran. */
export function demonstration(schema: number, number: number): { prompt: string; answer: string } {
  const question = randomQuestion(randomSchema(schema), number);
  const { prompt } = link(randomSchema(schema), question.text);
  return { prompt, answer: damaged(question.gold, randomNumbers(number)).join(" ") };
}

// %% [md] about-tasks
/*
## Tasks

A task is a schema, by its number, and a question about it. 80 schemas are held out, 80 more are for choosing settings by, and one composition is held out too: the maximum of a column over joined and filtered tables is never asked in training.
*/

// %% tasks
export interface Task {
  readonly schema: number;
  /** Which question of the schema: the reward knows the right query by it, the agent does not look. */
  readonly number: number;
  readonly question: string;
}

const seeds = schemaSeeds(460);
/** For choosing settings by: neither learned from nor reported. */
export const validationSchemas = seeds.slice(0, 80);
export const trainSchemas = seeds.slice(80, 380);
export const heldOutSchemas = seeds.slice(380);

/** `count` tasks over the schemas in turn. */
export function drawTasks(schemas: readonly number[], first: number, count: number, unseen = false): Task[] {
  const drawn: Task[] = [];
  for (let i = 0; drawn.length < count; i++) {
    const schema = schemas[i % schemas.length]!;
    const number = first + i;
    const question = randomQuestion(randomSchema(schema), number);
    if (isHeldOutComposition(question.composition) !== unseen) continue;
    drawn.push({ schema, number, question: question.text });
  }
  return drawn;
}

/** Without those that many a wrong query gets right: no rows, NULL or 0 on both databases. */
export async function tellingTasks(...[schemas, first, count, unseen]: Parameters<typeof drawTasks>) {
  const drawn = drawTasks(schemas, first, count + 20 + count / 100, unseen);
  const filters = (task: Task): boolean => rightQuery(task).includes("WHERE");
  const telling = new Set(drawn.filter((task) => !filters(task)));
  const module = await sqlite();
  for (const seed of schemas) {
    let left = drawn.filter((task) => task.schema === seed && !telling.has(task));
    for (const instance of [0, 1]) {
      if (left.length === 0) break;
      const database = instanceOf(module, randomSchema(seed), seed, instance);
      left = left.filter((task) => {
        const said = rowsOf(database, rightQuery(task));
        if (!("rows" in said) || said.rows.every((row) => row === "[null]" || row === "[0]")) return true;
        telling.add(task);
        return false;
      });
      database.close();
    }
  }
  return drawn.filter((task) => telling.has(task)).slice(0, count);
}

export const tasks = {
  train: await tellingTasks(trainSchemas, 1_000_000, 6_000),
  heldOut: await tellingTasks(heldOutSchemas, 2_000_000, 400),
};
export const unseenCompositions = await tellingTasks(heldOutSchemas, 3_000_000, 100, true);

table(
  tasks.heldOut.slice(0, 6).map((task) => ({ question: task.question, "right query": rightQuery(task) })),
);

/** The query that the reward compares with. */
export function rightQuery({ schema: seed, number, question }: Task): string {
  const schema = randomSchema(seed);
  return render(schema, link(schema, question).value, randomQuestion(schema, number).gold);
}

// %% [md] about-agent
/*
## The agent

It finds the names of the schema in the question, by comparing words, and asks the model. What comes back is written out as SQL. The model reads places, not names: that is why it can be asked about schemas whose words it has never seen, also about yours, further down.
*/

// %% agent
export const agent = defineAgent("sql-writer", async (task: Task, { signal }) => {
  const schema = randomSchema(task.schema);
  const { prompt, value } = link(schema, task.question);
  const response = await fetch("/v1/chat/completions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "policy", messages: [{ role: "user", content: prompt }] }),
    signal,
  });
  const [choice] = (await response.json()).choices;
  return sqlOf(schema, value, { text: choice.message.content, finished: choice.finish_reason === "stop" });
});

/** What the model said, and whether it came to its end before 24 words were over. */
export interface Answer {
  readonly text: string;
  readonly finished: boolean;
}

/** An answer as SQL. */
export const sqlOf = (schema: Schema, value: Linked["value"], { text: said, finished }: Answer): Answer => ({
  text: render(schema, value, said.split(" ").filter(Boolean)),
  finished,
});

/** For a person to read; SQLite would take the dots for the name of a table. */
export const shown = ({ text: sql, finished }: Answer): string => (finished ? sql : `${sql} …`);

// %% [md] about-reward
/*
## The reward

A real SQLite runs every query, on two databases of the schema with different rows: a wrong query seldom gives the right rows twice. The numbers are those of the article *Train any agent with reinforcement learning* (LSJ): 1 for the right text, 0.7 for other text with the same rows, −0.3 for what is no SQL, −0.5 for what asks for the wrong thing. An answer that was cut off after 24 words is no SQL, whatever its beginning would say.
*/

// %% reward
export const verdictOf = async (task: Task, { text: sql, finished }: Answer): Promise<Verdict> =>
  finished ? judge(randomSchema(task.schema), task.schema, sql, rightQuery(task)) : "syntax";

export const reward = defineReward({
  exact: {
    weight: 1,
    score: async (task: Task, answer: Answer) => (await verdictOf(task, answer)) === "exact",
  },
  equivalent: {
    weight: 0.7,
    score: async (task: Task, answer: Answer) => (await verdictOf(task, answer)) === "equivalent",
  },
  syntax: {
    weight: -0.3,
    score: async (task: Task, answer: Answer) => (await verdictOf(task, answer)) === "syntax",
  },
  meaning: {
    weight: -0.5,
    score: async (task: Task, answer: Answer) => ["missing", "wrong"].includes(await verdictOf(task, answer)),
  },
});

// %% [md] about-policy
/*
## The model

A token is a word of the query, a word of the question, or a place of the schema: `c3@t1n` says that the fourth column stands in the second table and holds numbers. One look is enough to see which table a column is in.

It begins with weights that imitate old logs: 1,300 steps of 64 of them, of which about 4 in 10 are wrong. `npm run warm-start` makes them anew.
*/

// %% policy
const calls = "AVG( SUM( MIN( MAX( COUNT(*)".split(" ");
const columnSlots = [0, 1, 2, 3, 4, 5, 6].map((slot) => `c${slot}`);
const answerWords = [
  ..."t0 t1 t2 v0 k1 k3".split(" "),
  ...columnSlots,
  ...calls,
  ...") , SELECT FROM JOIN ON .id .fk = > < WHERE GROUPBY ORDERBY DESC ASC LIMIT".split(" "),
];
const promptWords = [
  ..."t1<t0 t2<t0 t2<t1 ?".split(" "),
  ...columnSlots.flatMap((column) =>
    ["t0n", "t0s", "t1n", "t1s", "t2n", "t2s"].map((at) => `${column}@${at}`),
  ),
  ...questionWords,
];
export const network = {
  answers: answerWords,
  words: promptWords,
  width: 64,
  layers: 3,
  heads: 4,
  maxLength: 64,
};
export const policy = wordPolicy({ ...network, start: "text-to-sql" });

// %% [md] about-training
/*
## Learning

80 updates of 24 questions, each answered eight times: 15,360 rollouts. The progress line says how long that takes here.
*/

// %% training lazy
export const run = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: grpo({
    groupSize: 8,
    groups: 24,
    updates: 80,
    maxTokens: 24,
    learningRate: 3e-4,
    finalLearningRate: 3e-5,
    entropyCoefficient: 0.01,
    // Exact or equivalent: what SQLite says is right.
    successAt: 0.6,
    evaluateEvery: 10,
    evaluationTasks: 400,
  }),
  name: "text-to-SQL",
});

// %% [md] about-baseline
/*
## The honest baselines

*Filtered cloning* imitates the rollouts that were right, and learns nothing from the others. *Once*: all rollouts are made by the model as it began, so what it imitates is a filtered data set. *Repeated*: the model makes them anew in every update, as it is by then; that is reinforcement learning by another name (RAFT, expert iteration), with success as the reward. Both make as many rollouts and steps as above, at the same learning rate.
*/

// %% baseline lazy
export const cloned = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: filteredCloning({
    sampledFrom: "start",
    groupSize: 8,
    groups: 24,
    updates: 80,
    maxTokens: 24,
    learningRate: 3e-4,
    finalLearningRate: 3e-5,
    successAt: 0.6,
    evaluateEvery: 10,
    evaluationTasks: 400,
  }),
  name: "text-to-SQL, filtered cloning once",
});

// %% repeated lazy
export const repeated = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: filteredCloning({
    sampledFrom: "current",
    groupSize: 8,
    groups: 24,
    updates: 80,
    maxTokens: 24,
    learningRate: 3e-4,
    finalLearningRate: 3e-5,
    successAt: 0.6,
    evaluateEvery: 10,
    evaluationTasks: 400,
  }),
  name: "text-to-SQL, filtered cloning repeated",
});

// %% [md] about-report
/*
## What it can do now

On questions over schemas that it has never seen: the share of queries with the right rows. *Greedy* takes the likeliest word each time, *sampled* draws. The oracle writes the right query; it is there to show that the task can be done. Means of three seeds each, measured on the CPU engine when this was written:

| policy | greedy | sampled | exact text | joins | one table | unseen compositions |
| --- | --- | --- | --- | --- | --- | --- |
| warm start | 0.883 | 0.685 | 0.883 | 0.709 | 0.996 | 0.430 |
| filtered cloning, once | 0.908 | 0.879 | 0.908 | 0.783 | 0.990 | 0.780 |
| filtered cloning, repeated | 0.985 | 0.954 | 0.979 | 0.998 | 0.977 | 0.993 |
| GRPO | 0.978 | 0.938 | 0.974 | 0.985 | 0.974 | 0.990 |
| oracle | 1 | 1 | 1 | 1 | 1 | 1 |

Imitating a filtered data set leaves one join in five wrong; making new rollouts with what was learned so far does not. Whether the wrong ones are held against the policy as well, as GRPO does, makes no difference that three seeds could show: 0.985 and 0.978 are within each other's intervals.

What GRPO gains on joins costs a little on questions about one table: now and then it joins where it need not. The cell below measures your own run, with 95 % Wilson intervals.
*/

// %% judging fold
export interface Judged {
  readonly task: Task;
  readonly answer: Answer;
  readonly verdict: Verdict;
  readonly join: boolean;
}

/** Asks the model behind a run, or a policy that has not trained yet, and judges what it says. */
export async function judged(
  from: Parameters<typeof complete>[0]["from"],
  list: readonly Task[],
  temperature: number,
): Promise<Judged[]> {
  const linked = list.map(({ schema, question }) => link(randomSchema(schema), question));
  const prompts = linked.map(({ prompt }) => prompt);
  const answers = await complete({ from, prompts, temperature, maxTokens: 24, seed: 7 });
  return Promise.all(
    list.map(async (task, i) => {
      const answer = sqlOf(randomSchema(task.schema), linked[i]!.value, answers[i]!);
      const verdict = await verdictOf(task, answer);
      return { task, answer, verdict, join: rightQuery(task).includes("JOIN") };
    }),
  );
}

/** Share of right queries with its 95 % Wilson interval, as text. */
export function share(list: readonly Judged[], right: readonly Verdict[]): string {
  const n = list.length;
  const p = list.filter(({ verdict }) => right.includes(verdict)).length / n;
  const z = 1.96;
  const middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return `${p.toFixed(3)} (${(middle - half).toFixed(2)} to ${(middle + half).toFixed(2)})`;
}

/** A row of the report. */
export function reportRow(name: string, list: readonly Judged[], unseen: readonly Judged[]) {
  const right: Verdict[] = ["exact", "equivalent"];
  return {
    answers: name,
    execution: share(list, right),
    exact: share(list, ["exact"]),
    joins: share(
      list.filter(({ join }) => join),
      right,
    ),
    "one table": share(
      list.filter(({ join }) => !join),
      right,
    ),
    "unseen compositions": share(unseen, right),
  };
}

export async function reportOf(name: string, from: Parameters<typeof complete>[0]["from"]) {
  const rows: ReturnType<typeof reportRow>[] = [];
  for (const [how, temperature] of [
    ["greedy", 0],
    ["sampled", 1],
  ] as const) {
    const known = await judged(from, tasks.heldOut, temperature);
    rows.push(reportRow(`${name}, ${how}`, known, await judged(from, unseenCompositions, temperature)));
  }
  return rows;
}

// %% report lazy fold
const oracle = (list: readonly Task[]): Promise<Judged[]> =>
  Promise.all(
    list.map(async (task) => {
      const answer = { text: rightQuery(task), finished: true };
      return { task, answer, verdict: await verdictOf(task, answer), join: answer.text.includes("JOIN") };
    }),
  );
table([
  ...(await reportOf("warm start", policy)),
  ...(await reportOf("after training", run)),
  reportRow("oracle", await oracle(tasks.heldOut), await oracle(unseenCompositions)),
]);

// %% baseline_report lazy fold
table([
  ...(await reportOf("filtered cloning once", cloned)),
  ...(await reportOf("filtered cloning repeated", repeated)),
]);

// %% [md] about-samples
/*
## Before and after

The same twelve held-out questions, answered greedily.
*/

// %% samples lazy fold
const chosen = tasks.heldOut.filter((_, i) => i % 33 === 0).slice(0, 12);
const before = await judged(policy, chosen, 0);
const after = await judged(run, chosen, 0);
table(
  chosen.map((task, i) => ({
    question: task.question,
    before: `${before[i]!.verdict}: ${shown(before[i]!.answer)}`,
    after: `${after[i]!.verdict}: ${shown(after[i]!.answer)}`,
  })),
);

// %% [md] about-university
/*
## Lesson: grade is not in students

This university is in no training schema. It has `students` (city, age) and `enrollments` (course, grade, year). Whoever asks for the *average grade per city* names columns of two tables. The old logs forget the JOIN in six of ten such questions, and then SQLite says `no such column`. Nobody corrects a single log; the reward alone says that such a query earns −0.5, and the right one 1.

The cell below asks 240 questions that the task's own generator draws for this schema. Nobody picked the ones that it shows: of every kind, over one table and over two, it is the first that was drawn. The table above them counts all 240.
*/

// %% lesson lazy fold
/** What a question asks for, in words. */
const kinds = {
  sel: "list",
  agg: "one figure",
  cnt: "count",
  grp: "figure per group",
  top: "top",
  cntgrp: "count per group",
};
const drawn = Array.from({ length: 240 }, (_, number) => {
  const question = randomQuestion(university, 5_000_000 + number);
  const linked = link(university, question.text);
  const kind = `${kinds[question.kind]}, ${question.join ? "two tables" : "one table"}`;
  return { ...question, kind, linked, right: render(university, linked.value, question.gold) };
});
const answered = async (from: Parameters<typeof complete>[0]["from"]) => {
  const prompts = drawn.map(({ linked }) => linked.prompt);
  const answers = await complete({ from, prompts, temperature: 0, maxTokens: 24 });
  return Promise.all(
    drawn.map(async ({ linked, right }, i) => {
      const { text: sql, finished } = sqlOf(university, linked.value, answers[i]!);
      const verdict = finished ? await judge(university, 1, sql, right) : "syntax";
      return {
        sql: shown({ text: sql, finished }),
        finished,
        verdict,
        isRight: /exact|equivalent/.test(verdict),
      };
    }),
  );
};
const [old, learned] = [await answered(policy), await answered(run)];
const kindsDrawn = [...new Set(drawn.map(({ kind }) => kind))].sort();
const rightOf = (kind: string, answers: typeof old): string => {
  const own = answers.filter((_, i) => kind === "all" || drawn[i]!.kind === kind);
  return `${own.filter(({ isRight }) => isRight).length} of ${own.length}`;
};
table(
  ["all", ...kindsDrawn].map((kind) => ({
    questions: kind,
    "right, from old logs": rightOf(kind, old),
    "right, after training": rightOf(kind, learned),
  })),
);
/** Right or wrong, and what SQLite says. */
const saying = async ({ sql, finished, verdict, isRight }: (typeof old)[number]): Promise<string> => {
  if (!finished) return "wrong: cut off, not asked";
  const [rows] = await ask(university, 1, sql);
  if ("error" in rows) return `wrong: ${rows.error}`;
  const count = rows.rows.length === 1 ? "1 row" : `${rows.rows.length} rows`;
  return isRight ? `right, ${count}` : `${verdict}: ${count}`;
};
const firsts = kindsDrawn.map((kind) => drawn.findIndex((question) => question.kind === kind));
table(
  await Promise.all(
    firsts.map(async (i) => ({
      question: drawn[i]!.text,
      kind: drawn[i]!.kind,
      "from old logs": old[i]!.sql,
      "SQLite says": await saying(old[i]!),
      "after training": learned[i]!.sql,
      "SQLite says now": await saying(learned[i]!),
    })),
  ),
);

// %% [md] about-own
/*
## Ask your own database

Choose an SQLite file, of any size that fits into memory; it stays in this tab. The model knows two or three tables with seven columns in all, so the tables and columns that your question names are put into its places, and others after them. It was taught few words: *average, total, highest, lowest, how many, per, top 3 … by highest, with … over, under* and *is*. Write a value of two words in quotes. Tables are joined by the foreign keys that they declare. Without a file it asks the university.
*/

// %% database
export const chosenFile = file("SQLite file", { accept: ".sqlite,.sqlite3,.db" });
export const ownQuestion = text("Question", { value: "average grade per city" });

// %% reading fold
/**
 * The database in a file; a new one without. Throws an `Error` that says what is wrong with a file that holds none. One in WAL
 * mode is read as it was last written back: the log is another file.
 */
export function databaseIn({ Database }: Sqlite, bytes: Uint8Array | undefined): SqlDatabase {
  if (bytes === undefined) return new Database();
  if (bytes.length === 0) throw new Error("The file is empty.");
  if (new TextDecoder().decode(bytes.subarray(0, 15)) !== "SQLite format 3") {
    throw new Error(
      "This is no SQLite file: it does not begin as one does. Save what you have as .sqlite first.",
    );
  }
  const isLogged = bytes[18] === 2 || bytes[19] === 2;
  if (!isLogged) return new Database(bytes);
  const closed = bytes.slice();
  closed.set([1, 1], 18);
  return new Database(closed);
}

/**
 * Two or three tables, seven columns: those that the question names, then others. Of a database as it is. Throws an `Error`
 * where there is nothing to ask.
 */
export function schemaFrom(database: SqlDatabase, question: string): Schema {
  const rows = (sql: string): unknown[][] => (database.exec(sql)[0]?.values ?? []) as unknown[][];
  const inText = (name: string): string => `'${name.replaceAll("'", "''")}'`;
  const isSame = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase();
  const said = wordsOf(question);
  const isNamed = (name: string): boolean => said.some((_, i) => wordsOfName(said, i, name) > 0);
  const all = rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'").map(
    ([name]) => {
      const table = String(name);
      const links = rows(`PRAGMA foreign_key_list(${inText(table)})`).map(([, , parent, from]) => ({
        parent: String(parent),
        link: String(from),
      }));
      const fields = rows(`PRAGMA table_info(${inText(table)})`);
      const key = String(fields.find(([, , , , , primary]) => Number(primary) > 0)?.[1] ?? "rowid");
      const isLink = (field: string): boolean => links.some(({ link: own }) => own === field);
      const columns = fields
        .map(([, field, type]) => ({
          name: String(field),
          numeric: /INT|REAL|NUM|DEC|FLO|DOUB/i.test(String(type)),
        }))
        .filter((column) => column.name !== key && !isLink(column.name));
      return { name: table, key, links, columns, fields: fields.map(([, field]) => String(field)) };
    },
  );
  if (all.length === 0) throw new Error("This database has no tables.");
  const wanted = (table: (typeof all)[number]): number =>
    (isNamed(table.name) ? 2 : 0) + table.columns.filter(({ name }) => isNamed(name)).length;
  const sorted = [...all].sort((a, b) => wanted(b) - wanted(a));
  const picked = sorted.slice(0, 1);
  for (const table of sorted.slice(1)) {
    const related = picked.some(
      (other) =>
        table.links.some(({ parent }) => isSame(parent, other.name)) ||
        other.links.some(({ parent }) => isSame(parent, table.name)),
    );
    if (related && picked.length < 3) picked.push(table);
  }
  // Parents first; of tables that point at each other, as they were picked.
  const depth = (table: (typeof all)[number], below: readonly string[] = []): number => {
    const parent = picked.find(
      ({ name }) =>
        name !== table.name && !below.includes(name) && table.links.some((it) => isSame(it.parent, name)),
    );
    return parent ? 1 + depth(parent, [...below, table.name]) : 0;
  };
  picked.sort((a, b) => depth(a) - depth(b));
  const tables = picked.map(({ name, key, links }): Table => {
    const place = (it: string): number => picked.findIndex((other) => isSame(other.name, it));
    const found = links.find(({ parent }) => !isSame(parent, name) && place(parent) >= 0);
    const parent = found ? place(found.parent) : null;
    return { name, key, parent, link: found?.link ?? "" };
  });
  const columns = picked
    .flatMap((it, table) => it.columns.map((column) => ({ ...column, table })))
    .sort((a, b) => Number(isNamed(b.name)) - Number(isNamed(a.name)))
    .filter(({ name }, i, list) => list.findIndex((it) => it.name === name) === i)
    .slice(0, 7)
    .map((column, slot) => ({
      ...column,
      slot,
      ambiguous: picked.filter(({ fields }) => fields.some((it) => isSame(it, column.name))).length > 1,
    }));
  if (columns.length === 0)
    throw new Error(`Nothing to ask: ${tables[0]!.name} has keys and no other columns.`);
  return { tables, columns };
}

// %% answer lazy fold
const own = databaseIn(await sqlite(), chosenFile?.bytes);
if (!chosenFile) own.run(databaseScript(university, 2));
const ownSchema = schemaFrom(own, ownQuestion);
const asked = link(ownSchema, ownQuestion);
const [reply] = await complete({ from: run, prompts: [asked.prompt], maxTokens: 24 });
const ownAnswer = sqlOf(ownSchema, asked.value, reply!);
export const ownQuery = ownAnswer.text;
if (asked.unknown.length > 0) display(`Left out, because it knows no such word: ${asked.unknown.join(", ")}`);
display(shown(ownAnswer));
try {
  if (!ownAnswer.finished) throw new Error("Not asked: the answer was cut off after 24 words.");
  const statement = own.prepare(ownQuery);
  const rows: Record<string, unknown>[] = [];
  while (rows.length < 200 && statement.step()) rows.push(statement.getAsObject());
  table(rows);
} catch (error) {
  display((error as Error).message);
}
own.close();
