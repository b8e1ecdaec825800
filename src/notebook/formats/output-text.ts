import type { GpuVerdict } from "../../train/check-definition.ts";
import { checkedWhere } from "../gpu-words.ts";
import type { InputValue } from "../input-spec.ts";
import { formatNode } from "../inspect.ts";
import type { Output } from "../session-types.ts";

const failure = (verdict: GpuVerdict | undefined): string =>
  verdict?.kind === "failed"
    ? `\n${verdict.error.message}\n${verdict.error.fix} [${verdict.error.code}]`
    : "";

const lines = (text: string): string => {
  const count = text.split("\n").length;
  return `${count} ${count === 1 ? "line" : "lines"}`;
};

function inputText(value: InputValue): string {
  if (value === null) return "no file";
  if (typeof value !== "object") return String(value);
  return "name" in value ? value.name : value.map(inputText).join(", ");
}

/** An output in words, for terminals and for formats that hold text only. */
export function outputText(output: Output): string {
  switch (output.view) {
    case "text":
      return output.text;
    case "value":
      return output.name === null ? formatNode(output.value) : `${output.name} = ${formatNode(output.value)}`;
    case "run":
      return `run ${output.runId}`;
    case "environment":
      return output.name.startsWith("{")
        ? `environment: compiled, checked on random states${checkedWhere(output.gpu)}${failure(output.gpu)}`
        : `environment ${output.name}`;
    case "reward":
      return `reward${output.name === null ? "" : ` ${output.name}`}: compiled, checked on ${output.checkedStates} random states, largest difference ${output.largestDifference.toPrecision(2)}${checkedWhere(output.gpu)}${failure(output.gpu)}`;
    case "loss":
      return `loss${output.name === null ? "" : ` ${output.name}`}: compiled, checked on ${output.checkedRows} random rows, ${output.checkedDerivatives} derivatives, largest difference ${output.largestDifference.toPrecision(2)}${checkedWhere(output.gpu)}${failure(output.gpu)}`;
    case "test":
      return `${output.passed ? "passed" : "FAILED"}  ${output.name}${output.message === null ? "" : `\n        ${output.message}`}`;
    case "agent":
      return `agent ${output.name}, ${output.lines} lines`;
    case "composite-reward":
      return `reward${output.name === null ? "" : ` ${output.name}`}: ${output.components.map(({ name, weight }) => `${weight} × ${name}`).join(" + ")}`;
    case "policy":
      return `policy${output.name === null ? "" : ` ${output.name}`}: a transformer of ${output.parameters.toLocaleString("en")} parameters`;
    case "input":
      return `${output.label}: ${inputText(output.value)}`;
    case "table": {
      const { rows, columns } = output.table;
      return `table${output.name === null ? "" : ` ${output.name}`}: ${rows.toLocaleString("en")} ${rows === 1 ? "row" : "rows"} of ${columns.map(({ name }) => name).join(", ")}`;
    }
    case "plot":
      return "plot";
    case "image":
      return `image ${output.alt}`.trimEnd();
    case "progress":
      return `${output.label}: ${output.words || `${Math.round(output.share * 100)} %`}`;
    case "diff":
      return `difference of ${lines(output.before)} and ${lines(output.after)}`;
    case "trace":
      return `trace of ${output.spans.length} ${output.spans.length === 1 ? "span" : "spans"}`;
  }
}
