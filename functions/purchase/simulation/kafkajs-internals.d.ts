// The parts inside kafkajs that the simulation uses: its producer without its connections.

declare module 'kafkajs/src/producer/index.js' {
  import type { Logger, Producer, ProducerConfig } from 'kafkajs';

  export default function createProducer(
    options: ProducerConfig & { readonly logger: Logger; readonly cluster: object },
  ): Producer;
}

declare module 'kafkajs/src/errors.js' {
  const errors: {
    readonly KafkaJSRequestTimeoutError: new (message: string) => Error;
    readonly KafkaJSConnectionClosedError: new (
      message: string,
      broker: { readonly host: string; readonly port: number },
    ) => Error;
  };
  export default errors;
}

declare module 'kafkajs/src/protocol/error.js' {
  const protocol: { readonly createErrorFromCode: (code: number) => Error };
  export default protocol;
}
