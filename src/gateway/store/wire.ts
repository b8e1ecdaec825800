import { configOf, latestAttempt } from "../../store/attempts.ts";
import type {
  Attempt,
  AttemptStatus,
  Resource,
  Resources,
  RolloutConfig,
  RolloutMode,
  RolloutStatus,
  Worker,
} from "../../store/lightning-records.ts";
import type { Rollout } from "../../store/records.ts";
import type { Fields } from "./validation.ts";

// Rows of the store as Agent Lightning v0.x has them: snake_case, times in seconds since the epoch.

export const seconds = (time: number | null): number | null => (time === null ? null : time / 1000);
export const milliseconds = (time: number): number => time * 1000;

const modes = { train: "train", evaluation: "val", test: "test" } as const;

export const wireMode = (mode: RolloutMode): string | null => (mode === null ? null : modes[mode]);
export const modeFromWire = (mode: unknown): RolloutMode =>
  mode === "val" ? "evaluation" : mode === "train" || mode === "test" ? mode : null;

/** The original has no rollout that timed out: it failed. */
export const wireStatus = (status: RolloutStatus): string => (status === "timeout" ? "failed" : status);
export const statusesFromWire = (statuses: readonly string[]): RolloutStatus[] =>
  statuses.flatMap((status) => (status === "failed" ? ["failed", "timeout"] : [status])) as RolloutStatus[];

const wireConfig = ({ timeout, unresponsive, maxAttempts, retryOn }: RolloutConfig): Fields => ({
  timeout_seconds: seconds(timeout),
  unresponsive_seconds: seconds(unresponsive),
  max_attempts: maxAttempts,
  retry_condition: retryOn,
});

/** What is left out has the default. */
export function configFromWire(config: Fields): RolloutConfig {
  const time = (value: unknown): number | null => (typeof value === "number" ? milliseconds(value) : null);
  return {
    timeout: time(config["timeout_seconds"]),
    unresponsive: time(config["unresponsive_seconds"]),
    maxAttempts: (config["max_attempts"] as number | undefined) ?? 1,
    retryOn: (config["retry_condition"] as readonly AttemptStatus[] | undefined) ?? [],
  };
}

export const wireRollout = (rollout: Rollout): Fields => ({
  rollout_id: rollout.id,
  input: rollout.task,
  start_time: seconds(rollout.startTime),
  end_time: seconds(rollout.endTime),
  mode: wireMode(rollout.mode),
  resources_id: rollout.resourcesId ?? null,
  status: wireStatus(rollout.status),
  config: wireConfig(configOf(rollout)),
  metadata: rollout.metadata ?? null,
});

/** An attempt that was cancelled with its training run failed, as far as the original can say. */
export const wireAttempt = (rolloutId: string, attempt: Attempt): Fields => ({
  rollout_id: rolloutId,
  attempt_id: attempt.id,
  sequence_id: attempt.sequence,
  start_time: seconds(attempt.startTime),
  end_time: seconds(attempt.endTime),
  status: attempt.status === "cancelled" ? "failed" : attempt.status,
  worker_id: attempt.workerId,
  last_heartbeat_time: seconds(attempt.lastHeartbeat),
  metadata: attempt.metadata,
});

/** With its latest attempt, where there is one. */
export function wireAttempted(rollout: Rollout): Fields {
  const attempt = latestAttempt(rollout);
  return attempt
    ? { ...wireRollout(rollout), attempt: wireAttempt(rollout.id, attempt) }
    : wireRollout(rollout);
}

export const wireWorker = (worker: Worker): Fields => ({
  worker_id: worker.id,
  status: worker.status,
  heartbeat_stats: worker.heartbeatStats,
  last_heartbeat_time: seconds(worker.lastHeartbeat),
  last_dequeue_time: seconds(worker.lastDequeue),
  last_busy_time: seconds(worker.lastBusy),
  last_idle_time: seconds(worker.lastIdle),
  current_rollout_id: worker.rolloutId,
  current_attempt_id: worker.attemptId,
});

function wireResource(resource: Resource): Fields {
  switch (resource.type) {
    case "prompt_template":
      return { resource_type: resource.type, template: resource.template, engine: resource.engine };
    case "llm":
    case "proxy_llm":
      return {
        resource_type: resource.type,
        endpoint: resource.endpoint,
        model: resource.model,
        api_key: resource.apiKey,
        sampling_parameters: resource.samplingParameters,
      };
    case "weights":
    case "hyperparameters":
    case "code": {
      // The original has no such kinds; numbers that JSON cannot carry stay here.
      const { type, ...rest } = resource;
      return { resource_type: type, ...rest, ...("parameters" in rest ? { parameters: null } : {}) };
    }
  }
}

/** Checked before. */
export function resourceFromWire(resource: Fields): Resource {
  if (resource["resource_type"] === "prompt_template") {
    return {
      type: "prompt_template",
      template: resource["template"] as string,
      engine: resource["engine"] as "f-string",
    };
  }
  return {
    type: resource["resource_type"] as "llm" | "proxy_llm",
    endpoint: resource["endpoint"] as string,
    model: resource["model"] as string,
    apiKey: (resource["api_key"] as string | null | undefined) ?? null,
    samplingParameters: (resource["sampling_parameters"] as Fields | undefined) ?? {},
  };
}

export const wireResources = (set: Resources): Fields => ({
  resources_id: set.id,
  create_time: seconds(set.createTime),
  update_time: seconds(set.updateTime),
  version: set.version,
  resources: Object.fromEntries(
    Object.entries(set.resources).map(([name, resource]) => [name, wireResource(resource)]),
  ),
});
