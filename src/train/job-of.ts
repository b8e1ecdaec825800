import { agenticJob, type AgenticJobOptions } from "./agentic-job.ts";
import type { Job } from "./job.ts";
import { simulatedJob, type JobOptions } from "./simulated-job.ts";
import { supervisedJob, type SupervisedJobOptions } from "./supervised-job.ts";

/** The job that `train` sends for its options, whatever trains: an agent, a policy on examples, or in an environment. */
export function jobOf(options: JobOptions | AgenticJobOptions | SupervisedJobOptions): Job {
  if ("agent" in options) return agenticJob(options);
  return "examples" in options ? supervisedJob(options) : simulatedJob(options);
}
