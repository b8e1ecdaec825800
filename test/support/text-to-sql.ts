import initSqlJs from "sql.js";
import type * as Notebook from "../../notebooks/text-to-sql.nb.ts";
import { wordPolicy } from "../../src/train/character-policy.ts";
import { notebookCells } from "./notebook-cells.ts";

const cells =
  "schemas databases questions linking sqlite logs tasks agent reward policy judging reading".split(" ");

const none = (): null => null;

/** What notebooks/text-to-sql.nb.ts defines, but for what trains or shows. */
export const textToSql = (complete?: (...values: readonly unknown[]) => unknown): Promise<typeof Notebook> =>
  notebookCells("text-to-sql", cells, {
    ...{ initSqlJs, wordPolicy, complete },
    defineAgent: none,
    defineReward: <Definition>(reward: Definition): Definition => reward,
    table: none,
  });
