import { isHostReference } from "../env/host-environment.ts";
import type { Job } from "../train/job.ts";

/** A run whose environment lives in cells asks the notebook around it for a port to them; whoever is it answers at once. */
export class EnvironmentPortEvent extends Event {
  port: Promise<MessagePort | null> | null = null;
  constructor() {
    super("fulgurite-environment-port", { bubbles: true, composed: true });
  }
}

/** A port to the host environment of a job, as the cells around an element have it now; null where none is needed, or to be had. */
export async function environmentPort(from: EventTarget, job: Job | undefined): Promise<MessagePort | null> {
  if (job?.kind !== "simulated" || !isHostReference(job.environment)) return null;
  const asked = new EnvironmentPortEvent();
  from.dispatchEvent(asked);
  return asked.port;
}
