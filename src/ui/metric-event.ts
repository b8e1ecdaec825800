/** The person wants to see another metric's curve. */
export class MetricEvent extends Event {
  readonly metric: string;
  constructor(metric: string) {
    super("fulgurite-metric");
    this.metric = metric;
  }
}
