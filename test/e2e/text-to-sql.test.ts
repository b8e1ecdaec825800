import initSqlJs from "sql.js";
import { expect, test } from "vitest";
import { cell, rewrite } from "../support/notebook-page.ts";
import { picture } from "../support/picture.ts";
import { ServedApp } from "../support/served-app.ts";

const app = new ServedApp();

const training = `export const run = await train({
  agent,
  reward,
  tasks,
  policy,
  algorithm: grpo({ groupSize: 8, groups: 24, updates: 8, maxTokens: 24, learningRate: 3e-4, successAt: 0.6, evaluateEvery: 8, evaluationTasks: 400 }),
});`;

/** A music shop as somebody has it: names that the model has never seen, in a file that SQLite wrote. */
async function musicShop(): Promise<Buffer> {
  const { Database } = await initSqlJs();
  const database = new Database();
  database.run(`
    CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY, Country TEXT);
    CREATE TABLE Album (AlbumId INTEGER PRIMARY KEY, Title TEXT, Price REAL,
      ArtistId INTEGER REFERENCES Artist (ArtistId));
    INSERT INTO Artist VALUES (1, 'Peru'), (2, 'Mali'), (3, 'Peru');
    INSERT INTO Album VALUES (1, 'One', 3, 1), (2, 'Two', 5, 1), (3, 'Three', 7.5, 2), (4, 'Four', 40, 3);`);
  const file = Buffer.from(database.export());
  database.close();
  return file;
}

test("text-to-SQL learns in the tab, walks the university and answers over a file of one's own", async () => {
  const page = await (await app.launch()).newPage();
  const errors: string[] = [];
  page.on("pageerror", (error) => errors.push(error.message));
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.goto(`${app.url}#notebook=text-to-sql`);
  await rewrite(page, "training", training);
  const run = cell(page, "training");
  await run.getByRole("button", { name: "Run training" }).click();

  const lesson = cell(page, "lesson");
  await lesson.getByRole("button", { name: "Run lesson" }).click();
  await lesson.getByRole("cell", { name: "all", exact: true }).waitFor({ timeout: 90_000 });
  await run.getByText(/of 400 held-out tasks solved/).waitFor();
  // What was recorded on the same tasks stands beside it until it is trained here.
  const beside = run.getByRole("list", { name: "Baselines on the same held-out tasks" });
  await beside.getByText(/once, on the same tasks: \d\d %/).waitFor();
  await beside.getByText(/repeated, on the same tasks: \d\d %/).waitFor();
  await beside.getByRole("button", { name: "Train it here" }).first().waitFor();
  await picture(page, "sql-training", run);
  await picture(page, "sql-lesson", lesson);

  await cell(page, "database")
    .getByLabel("SQLite file")
    .setInputFiles({ name: "music.sqlite", mimeType: "application/vnd.sqlite3", buffer: await musicShop() });
  await cell(page, "database").getByText("music.sqlite").waitFor();
  await cell(page, "database").getByLabel("Question").fill("highest Price by Title");
  const answer = cell(page, "answer");
  await answer.getByRole("button", { name: "Run answer" }).click();
  await answer.getByText("SELECT Title, MAX(Price) FROM Album GROUP BY Title").waitFor({ timeout: 30_000 });
  await answer.getByRole("columnheader", { name: "MAX(Price)" }).waitFor();
  await answer.getByRole("cell", { name: "Four" }).waitFor();
  await picture(page, "sql-answer", cell(page, "database"));
  expect(errors).toEqual([]);
}, 240_000);
