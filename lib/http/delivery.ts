// A consumer's HTTP status is its delivery contract with the KafkaSource, written down here only.
// The dispatcher retries 404, 408, 409, 429 and ≥ 500 and sends every other 4xx to dead letters
// (eventing-kafka-broker 1.23), so a sink answers with these three and nothing else.

export const delivery = {
  /** Done, or done before. */
  done: 204,
  /** Not now: a store is away. The source sends the event again. */
  retry: 503,
  /** Never: the event cannot be read. The source sends it to the dead letters. */
  never: 422,
} as const;
