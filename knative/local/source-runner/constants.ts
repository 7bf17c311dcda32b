// The dispatcher's numbers (eventing-kafka-broker 1.23, ConfigMap config-kafka-source-data-plane
// and its code), and ours where it has none. How they must relate is in constants.test.ts.

/** `max.poll.records`: what one poll takes, and what must be in flight before polling waits. */
export const pollRecordsMax = 50;
/** Unordered: 49 in flight still poll 50 more. */
export const inFlightMax = 2 * pollRecordsMax - 1;
/** `maxPoolSize` of the web client: connections to one sink. */
export const sinkConnectionsMax = 100;
/** Ordered sources poll by this timer only, hence at most 50 × 5 = 250 events/s (POLLING_MS). */
export const orderedPollMs = 200;
/** An ordered poll that finds nothing waits this long for a record (POLLING_TIMEOUT). */
export const orderedPollWaitMs = 1_000;
/** `auto.commit.interval.ms`: a crash redelivers at most what was done since. */
export const commitIntervalMs = 5_000;
/** `max.partition.fetch.bytes`. */
export const fetchBytesPerPartitionMax = 65_536;
/** `session.timeout.ms` and `heartbeat.interval.ms`. */
export const sessionTimeoutMs = 10_000;
export const heartbeatIntervalMs = 3_000;

/** `spec.delivery` absent. */
export const absentDelivery = {
  retries: 10,
  backoff: 'exponential',
  backoffDelayMs: 300,
  timeoutMs: 600_000,
} as const;
/** `spec.delivery` present, its fields missing. */
export const defaultBackoffDelayMs = 200;
export const defaultTimeoutMs = 600_000;
/** `knativeerrordata` carries this much of a refusing sink's answer. */
export const errorDataBytesMax = 1_024;

/** Ours: a fetch comes back this late at most, so a resumed partition waits no longer. */
export const fetchWaitMaxMs = 100;
/** Ours: a partition with this much waiting is not fetched until it has fallen below the other. */
export const bufferedBytesHigh = 256 * 1_024;
export const bufferedBytesLow = 128 * 1_024;
/** Ours: a consumer that has not fetched for so long is replaced. */
export const stuckAfterMs = 45_000;
/** Ours: how long the group waits for its members when it shares out anew. */
export const rebalanceTimeoutMs = 30_000;
/** Ours: how long one commit is waited for. */
export const commitTimeoutMs = 3_000;
/** Ours: how long leaving waits for answers to what is in flight. */
export const inFlightDeadlineMs = 10_000;
/** Ours: a KafkaSink answers 503 when Kafka has not acknowledged by then. */
export const kafkaSinkSendTimeoutMs = 5_000;
/** The longest a timer of Node waits, 24.8 days: beyond it, it would fire at once. */
export const timerMsMax = 2 ** 31 - 1;
