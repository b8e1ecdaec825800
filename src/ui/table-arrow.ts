import {
  DateMillisecond,
  Dictionary,
  Float64,
  Int32,
  makeData,
  makeVector,
  Table,
  tableToIPC,
  Utf8,
  vectorFromArray,
  type Vector,
} from "apache-arrow";
import type { TableColumn, TableData } from "../notebook/table-data.ts";

/** As an Arrow IPC file: numbers as Float64, dates as Date<millisecond>, texts as a dictionary of Utf8. */
export const tableToArrow = ({ columns }: TableData): Uint8Array =>
  tableToIPC(new Table(Object.fromEntries(columns.map((column) => [column.name, vectorOf(column)]))), "file");

function vectorOf(column: TableColumn): Vector {
  switch (column.kind) {
    case "number":
      return vectorFromArray(
        Array.from(column.values, (value) => (Number.isNaN(value) ? null : value)),
        new Float64(),
      );
    case "date":
      return vectorFromArray(
        Array.from(column.values, (value) => (Number.isNaN(value) ? null : new Date(value))),
        new DateMillisecond(),
      );
    case "text": {
      const dictionary = vectorFromArray([...column.dictionary], new Utf8());
      const type = new Dictionary(new Utf8(), new Int32());
      return makeVector(makeData({ type, dictionary, data: Int32Array.from(column.codes) }));
    }
  }
}
