import type { Resource } from "../store/lightning-records.ts";
import type { CodeSource } from "../runner/agent-source.ts";
import type { Job } from "./job.ts";

/** Runs of one cell share the set, so that its versions are the changes to that cell's code and settings. */
export const jobResourcesId = (
  owner: { readonly notebook: string | null; readonly cell: string | null },
  job: Job,
): string => `job/${owner.notebook ?? "library"}/${owner.cell ?? job.name}`;

/** What a run is started with: code, reward and hyper-parameters; its tasks and seed are in the run itself. */
export function jobResources(job: Job): Record<string, Resource> {
  if (job.kind === "agentic") {
    const { agent, reward, algorithm, policy, warmStart, timeout, engine } = job;
    return {
      agent: { type: "code", role: "agent", source: sourceText(agent), constants: agent.values },
      reward: { type: "code", role: "reward", source: sourceText(reward), constants: reward.values },
      hyperparameters: {
        type: "hyperparameters",
        values: { algorithm, policy, warmStart, timeout, engine },
      },
    };
  }
  if (job.kind === "supervised") {
    const { algorithm, policy, warmStart, engine } = job;
    return { hyperparameters: { type: "hyperparameters", values: { algorithm, policy, warmStart, engine } } };
  }
  const { environment, reward, algorithm, engine } = job;
  return {
    ...(reward
      ? { reward: { type: "code", role: "reward", source: reward.source, constants: reward.constants } }
      : {}),
    hyperparameters: { type: "hyperparameters", values: { environment, algorithm, engine } },
  };
}

/** The code as a person reads it: what the entry needs, and then the entry. */
export const sourceText = ({ code, entry }: Pick<CodeSource, "code" | "entry">): string =>
  [code.replace(/^"use strict";\n?/, ""), entry].filter((text) => text !== "").join("\n");
