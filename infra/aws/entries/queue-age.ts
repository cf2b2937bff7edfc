/**
 * How long the eldest work has waited for a runner, as a metric of CloudWatch: a line of the log that is written in its embedded format
 * becomes one, without a right or a request.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 */
export const QUEUE_AGE = { namespace: 'Patchbay', name: 'QueueAgeSeconds', dimension: 'Cluster' } as const;

export function queueAgeLine(cluster: string, seconds: number, now: Date): string {
  const { namespace, name, dimension } = QUEUE_AGE;
  const metric = {
    Namespace: namespace,
    Dimensions: [[dimension]],
    Metrics: [{ Name: name, Unit: 'Seconds' }],
  };
  return JSON.stringify({
    _aws: { Timestamp: now.getTime(), CloudWatchMetrics: [metric] },
    [dimension]: cluster,
    [name]: seconds,
  });
}
