/** Kafka did not do what was asked, in time. Whether it did it later is unknown. */
export class KafkaUnavailable extends Error {
  override readonly name = 'KafkaUnavailable';
}
