import { formatNode } from "../inspect.ts";
import type { Output } from "../session-types.ts";

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
      return `environment ${output.name}`;
    case "reward":
      return `reward${output.name === null ? "" : ` ${output.name}`}: compiled, checked on ${output.checkedStates} random states, largest difference ${output.largestDifference.toPrecision(2)}`;
    case "test":
      return `${output.passed ? "passed" : "FAILED"}  ${output.name}${output.message === null ? "" : `\n        ${output.message}`}`;
    case "agent":
      return `agent ${output.name}, ${output.lines} lines`;
    case "composite-reward":
      return `reward${output.name === null ? "" : ` ${output.name}`}: ${output.components.map(({ name, weight }) => `${weight} × ${name}`).join(" + ")}`;
    case "policy":
      return `policy${output.name === null ? "" : ` ${output.name}`}: a transformer of ${output.parameters.toLocaleString("en")} parameters`;
    default:
      return `(${(output as { readonly view: string }).view})`;
  }
}
