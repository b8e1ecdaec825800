import type { TableColumn, TableData } from "../notebook/table-data.ts";

const quoted = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function csvText(column: TableColumn, row: number): string {
  if (column.kind === "text") return quoted(column.dictionary[column.codes[row] ?? -1] ?? "");
  const value = column.values[row];
  if (value === undefined || Number.isNaN(value)) return "";
  return column.kind === "date" ? new Date(value).toISOString() : String(value);
}

/** As CSV (RFC 4180), in an order, with every digit of a number. */
export function tableToCsv({ rows, columns }: TableData, order: Uint32Array | null): string {
  const lines = [columns.map(({ name }) => quoted(name)).join(",")];
  const count = order?.length ?? rows;
  for (let i = 0; i < count; i++) {
    const row = order?.[i] ?? i;
    lines.push(columns.map((column) => csvText(column, row)).join(","));
  }
  return lines.join("\r\n") + "\r\n";
}
