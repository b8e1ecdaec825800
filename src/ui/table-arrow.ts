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
  type Vector,
} from "apache-arrow";
import { texts, validity } from "../adapter/exchange/arrow-buffers.ts";
import type { TableColumn, TableData } from "../notebook/table-data.ts";

/** As an Arrow IPC file: numbers as Float64, dates as Date<millisecond>, texts as a dictionary of Utf8. */
export const tableToArrow = ({ columns }: TableData): Uint8Array =>
  tableToIPC(new Table(Object.fromEntries(columns.map((column) => [column.name, vectorOf(column)]))), "file");

function vectorOf(column: TableColumn): Vector {
  switch (column.kind) {
    case "number": {
      const data = Float64Array.from(column.values);
      return makeVector(makeData({ type: new Float64(), data, ...validity(data, Number.isNaN) }));
    }
    case "date": {
      const { values } = column;
      const data = BigInt64Array.from(values, (value) => BigInt(Number.isNaN(value) ? 0 : Math.trunc(value)));
      return makeVector(makeData({ type: new DateMillisecond(), data, ...validity(values, Number.isNaN) }));
    }
    case "text": {
      const dictionary = makeVector(texts(column.dictionary));
      const type = new Dictionary(new Utf8(), new Int32());
      return makeVector(makeData({ type, dictionary, data: Int32Array.from(column.codes) }));
    }
  }
}
