// The modules inside kafkajs that we use, typed as far as we use them.
// kafkajs has no public way to read a topic without joining a consumer group.

declare module 'kafkajs/src/cluster/index.js' {
  import type { ISocketFactory, KafkaConfig, Logger, RetryOptions } from 'kafkajs';

  export interface FetchedRecord {
    /** Decimal. */
    readonly offset: string;
    /** Decimal epoch milliseconds. */
    readonly timestamp: string;
    readonly key: Buffer | null;
    readonly value: Buffer | null;
    readonly headers: Readonly<
      Record<string, Buffer | readonly (Buffer | null)[] | null | undefined>
    >;
    /** The batch on disk that holds this record; missing in formats older than Kafka 0.11. */
    readonly batchContext?: { readonly firstOffset: string; readonly lastOffsetDelta: number };
  }

  export interface FetchedPartition {
    readonly partition: number;
    readonly messages: readonly FetchedRecord[];
  }

  interface PartitionOffset {
    readonly partition: number;
    readonly offset: string;
  }

  interface Broker {
    fetch(request: {
      /** 1: only what is committed. */
      readonly isolationLevel: 0 | 1;
      readonly maxWaitTime: number;
      readonly minBytes: number;
      readonly maxBytes: number;
      readonly topics: readonly {
        readonly topic: string;
        readonly partitions: readonly {
          readonly partition: number;
          readonly fetchOffset: string;
          readonly maxBytes: number;
        }[];
      }[];
    }): Promise<{
      readonly responses: readonly { readonly partitions: readonly FetchedPartition[] }[];
    }>;
  }

  export default class Cluster {
    constructor(options: {
      readonly brokers: readonly string[];
      readonly ssl?: NonNullable<KafkaConfig['ssl']>;
      readonly sasl?: NonNullable<KafkaConfig['sasl']>;
      readonly clientId: string;
      readonly logger: Logger;
      readonly socketFactory: ISocketFactory;
      readonly connectionTimeout: number;
      readonly requestTimeout: number;
      readonly enforceRequestTimeout: boolean;
      readonly metadataMaxAge: number;
      readonly allowAutoTopicCreation: boolean;
      readonly isolationLevel: 0 | 1;
      readonly retry: RetryOptions;
    });
    connect(): Promise<void>;
    disconnect(): Promise<void>;
    addTargetTopic(topic: string): Promise<void>;
    refreshMetadata(): Promise<void>;
    findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[];
    /** Node id → the partitions it leads. */
    findLeaderForPartitions(
      topic: string,
      partitions: readonly number[],
    ): Readonly<Record<string, readonly number[]>>;
    findBroker(node: { readonly nodeId: string }): Promise<Broker>;
    fetchTopicsOffset(
      topics: readonly {
        readonly topic: string;
        readonly partitions: readonly { readonly partition: number }[];
        readonly fromBeginning?: boolean;
        /** Epoch milliseconds; -1 is the answer where no record is so young. */
        readonly fromTimestamp?: number;
      }[],
    ): Promise<readonly { readonly partitions: readonly PartitionOffset[] }[]>;
  }
}

declare module 'kafkajs/src/consumer/batch.js' {
  import type { FetchedPartition, FetchedRecord } from 'kafkajs/src/cluster/index.js';

  /** What was fetched of one partition, without control records and aborted transactions. */
  export default class Batch {
    constructor(topic: string, fetchedOffset: string, partition: FetchedPartition);
    readonly messages: readonly FetchedRecord[];
    readonly rawMessages: readonly FetchedRecord[];
  }
}

declare module 'kafkajs/src/network/requestQueue/index.js' {
  /** Of one connection: what is on its way, and what waits for that or for Kafka's throttling. */
  export default class RequestQueue {
    constructor(options: {
      readonly clientId: string;
      readonly broker: string;
      readonly maxInFlightRequests: number;
      readonly requestTimeout: number;
      readonly enforceRequestTimeout: boolean;
      readonly isConnected: () => boolean;
      readonly logger: { debug(): void; warn(): void };
    });
    readonly pending: readonly unknown[];
    maybeThrottle(milliseconds: number): void;
    push(request: {
      readonly entry: {
        readonly correlationId: number;
        readonly resolve: () => void;
        readonly reject: (error: Error) => void;
      };
      readonly expectResponse: boolean;
      readonly sendRequest: () => void;
    }): void;
    fulfillRequest(response: {
      readonly correlationId: number;
      readonly payload: unknown;
      readonly size: number;
    }): void;
    scheduleCheckPendingRequests: (this: RequestQueue) => void;
  }
}
