import { sourceRules } from './source-rules.ts';
import { dead, seenToFail, source } from './test-kit.ts';

seenToFail(sourceRules, {
  'every sink has its source, with its own group and the topic of orders': [
    ['consumerGroup is random', [source, ['spec', 'consumerGroup']]],
    ['not seckill-persist-order', [source, ['spec', 'consumerGroup'], 'seckill-update-rank']],
    ['not seckill.orders', [source, ['spec', 'topics'], ['seckill.order']]],
    ['no KafkaSource for persist-order', [source, []]],
  ],
  'a source begins with the earliest event': [
    ['latest', [source, ['spec', 'initialOffset']]],
    ['latest', [source, ['spec', 'initialOffset'], 'latest']],
  ],
  'a source does not order': [
    ['ordered', [source, ['spec', 'ordering']]],
    ['ordered', [source, ['spec', 'ordering'], 'ordered']],
  ],
  'a source says its whole delivery: of one that is there, nothing has a default': [
    ['has no retry, backoffPolicy', [source, ['spec', 'delivery']]],
    ['no deadLetterSink', [source, ['spec', 'delivery', 'deadLetterSink']]],
    ['no retry', [source, ['spec', 'delivery', 'retry']]],
    ['no timeout', [source, ['spec', 'delivery', 'timeout']]],
  ],
  'a source waits for an answer as long as a sink takes, and no longer than it should': [
    ['PT5S', [source, ['spec', 'delivery', 'timeout'], 'PT5S']],
    ['PT10M', [source, ['spec', 'delivery', 'timeout'], 'PT10M']],
  ],
  'retries outlast an outage of a store': [
    ['retries end after 27.5 s', [source, ['spec', 'delivery', 'retry'], 10]],
    ['exponential', [source, ['spec', 'delivery', 'backoffPolicy'], 'exponential']],
  ],
  'what a source delivers to is there, its dead letters in a topic': [
    ['no sink persist-orders', [source, ['spec', 'sink', 'ref', 'name'], 'persist-orders']],
    ['no KafkaSink orders-dead-persist', [dead, []]],
    [
      'only a KafkaSink',
      [source, ['spec', 'delivery', 'deadLetterSink', 'ref', 'kind'], 'Service'],
    ],
  ],
  'dead letters stay the event itself, in the topic that they are replayed from': [
    ['its topic is not', [dead, ['spec', 'topic'], 'seckill.orders.dead']],
  ],
  'sources, sinks and functions use the same Kafka': [
    [
      'KafkaSource persist-order: its bootstrapServers',
      [source, ['spec', 'bootstrapServers'], ['other:9092']],
    ],
    [
      'KafkaSink orders-dead-persist: its bootstrapServers',
      [dead, ['spec', 'bootstrapServers'], ['other:9092']],
    ],
  ],
  'nothing wakes an idle system': [
    [
      'PingSource tick',
      [
        'added',
        [],
        {
          apiVersion: 'sources.knative.dev/v1',
          kind: 'PingSource',
          metadata: { name: 'tick' },
          spec: { schedule: '* * * * *', sink: { uri: 'http://purchase' } },
        },
      ],
    ],
  ],
});
