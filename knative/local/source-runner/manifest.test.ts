import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { sourceTimeoutMs } from '#lib/constants.ts';
import { consumerGroups, deadLetterTopics, ordersTopic } from '#lib/names.ts';
import { parseManifests, readManifests } from './manifest.ts';

const lookup = {
  kafkaSinksUrl: 'http://127.0.0.1:9000',
  environment: {
    SECKILL_SINK_PERSIST_ORDER: 'http://127.0.0.1:9001',
    SECKILL_SINK_UPDATE_RANK: 'http://127.0.0.1:9002',
  },
};

const header = `
apiVersion: sources.knative.dev/v1
kind: KafkaSource
metadata: {name: s, namespace: seckill}
`;
const sink = `
  sink: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: persist-order}}`;
const spec = `spec:
  bootstrapServers: [kafka:9092]
  topics: [t]`;
const kafkaSink = `
apiVersion: eventing.knative.dev/v1alpha1
kind: KafkaSink
metadata: {name: dead, namespace: seckill}
spec: {topic: dead, bootstrapServers: [kafka:9092], contentMode: binary}
`;

const parse = (...texts: string[]) =>
  parseManifests(
    texts.map((text, index) => ({ file: `${index}.yaml`, text })),
    lookup,
  );
const sourceWith = (more: string) => parse(`${header}${spec}${sink}\n${more}`).sources[0];
const problemsOf = (...texts: string[]) => {
  try {
    parse(...texts);
  } catch (error) {
    return String(error).split('\n');
  }
  return [];
};

describe('our own manifests', () => {
  const folder = join(import.meta.dirname, '../../../kafka-sources');

  test('say what the design says', async () => {
    const { sources, sinks } = await readManifests(folder, lookup);
    const expected = (name: keyof typeof consumerGroups, dead: string, port: number) => ({
      ...{ namespace: 'seckill', name, consumerGroup: consumerGroups[name] },
      ...{ topics: [ordersTopic], consumers: 1, initialOffset: 'earliest' },
      ...{ ordering: 'unordered', keyType: 'string', extensions: {} },
      delivery: { retries: 60, backoff: 'linear', backoffDelayMs: 500, timeoutMs: sourceTimeoutMs },
      sinkUrl: `http://127.0.0.1:${port}/`,
      deadLetterSinkUrl: `http://127.0.0.1:9000/seckill/${dead}`,
    });
    expect(sources).toEqual([
      expected('persist-order', 'orders-dead-persist', 9_001),
      expected('update-rank', 'orders-dead-rank', 9_002),
    ]);
    expect(sinks.map(({ name, topic }) => ({ name, topic }))).toEqual([
      { name: 'orders-dead-persist', topic: deadLetterTopics['persist-order'] },
      { name: 'orders-dead-rank', topic: deadLetterTopics['update-rank'] },
    ]);
  });
});

describe('what is left out has Knative’s default', () => {
  test('of the source', () => {
    const source = sourceWith('');
    expect(source).toMatchObject({
      ...{ consumers: 1, initialOffset: 'latest', ordering: 'ordered', keyType: 'string' },
      ...{ deadLetterSinkUrl: undefined, namespace: 'seckill' },
    });
    expect(source?.consumerGroup).toMatch(/^knative-kafka-source-[0-9a-f-]{36}$/);
  });

  test('of an absent delivery: 10 retries, exponential from 300 ms, 10 minutes', () => {
    expect(sourceWith('')?.delivery).toEqual({
      ...{ retries: 10, backoff: 'exponential' },
      ...{ backoffDelayMs: 300, timeoutMs: 600_000 },
    });
  });

  test.each([
    ['{retry: 3}', { retries: 3, backoff: 'exponential', backoffDelayMs: 200 }],
    ['{timeout: PT5S}', { retries: 0, timeoutMs: 5_000 }],
    ['{timeout: PT0S}', { retries: 0, timeoutMs: 600_000 }],
    ['{backoffPolicy: linear, backoffDelay: PT1S}', { retries: 0, timeoutMs: 600_000 }],
  ])('of a delivery that is there nothing is inherited: %s', (delivery, expected) => {
    expect(sourceWith(`  delivery: ${delivery}`)?.delivery).toMatchObject(expected);
  });
});

describe('destinations', () => {
  const deadLetter = (destination: string) =>
    `${header}${spec}${sink}\n  delivery: {deadLetterSink: ${destination}}`;
  const toKafkaSink = deadLetter(
    '{ref: {apiVersion: eventing.knative.dev/v1alpha1, kind: KafkaSink, name: dead}}',
  );

  test('a Service is where its variable says, a uri is a path from there', () => {
    const withUri = sink.replace('{ref:', '{uri: /events, ref:');
    const [source] = parse(`${header}${spec}${withUri}`).sources;
    expect(source?.sinkUrl).toBe('http://127.0.0.1:9001/events');
  });

  test('in a cluster, a Service is where Knative makes it known', () => {
    const inCluster = { ...lookup, environment: { SECKILL_CLUSTER_DOMAIN: 'cluster.local' } };
    const urlOf = (reference: string, environment = inCluster.environment) => {
      const text = `${header}${spec}${sink.replace('name: persist-order', reference)}`;
      const texts = [{ file: '0.yaml', text }];
      return parseManifests(texts, { ...inCluster, environment }).sources[0]?.sinkUrl;
    };
    expect(urlOf('name: p')).toBe('http://p.seckill.svc.cluster.local/');
    expect(urlOf('name: p, namespace: far')).toBe('http://p.far.svc.cluster.local/');
    const own = { SECKILL_SINK_P: 'http://127.0.0.1:9', ...inCluster.environment };
    expect(urlOf('name: p', own)).toBe('http://127.0.0.1:9/');
  });

  test('a uri alone is itself', () => {
    const [source] = parse(`${header}${spec}\n  sink: {uri: "http://x.test/a"}`).sources;
    expect(source?.sinkUrl).toBe('http://x.test/a');
  });

  test('a KafkaSink is an endpoint of the runner, in any order of files', () => {
    const [source] = parse(toKafkaSink, kafkaSink).sources;
    expect(source?.deadLetterSinkUrl).toBe('http://127.0.0.1:9000/seckill/dead');
  });

  test('what cannot be found is refused', () => {
    expect(problemsOf(toKafkaSink)).toEqual([
      'ManifestError: 0.yaml: spec.delivery.deadLetterSink.ref: there is no KafkaSink seckill/dead',
    ]);
    expect(problemsOf(`${header}${spec}${sink.replace('persist-order', 'lost-one')}`)).toEqual([
      'ManifestError: 0.yaml: spec.sink.ref: set SECKILL_SINK_LOST_ONE to the URL of lost-one',
    ]);
    expect(problemsOf(`${header}${spec}${sink.replace('Service', 'Job')}`)).toEqual([
      'ManifestError: 0.yaml: spec.sink.ref: serving.knative.dev/v1 Job is not known here',
    ]);
  });
});

describe('a mistake is refused with file and field', () => {
  test.each([
    ['  retries: 3', 'spec.retries: there is no such field'],
    ['  delivery: {retries: 3}', 'spec.delivery.retries: there is no such field'],
    ['  ordering: any', 'spec.ordering: Invalid option'],
    ['  initialOffset: first', 'spec.initialOffset: Invalid option'],
    ['  consumers: -1', 'spec.consumers: Too small'],
    ['  consumers: "3"', 'spec.consumers: Invalid input'],
    ['  delivery: {retry: 1.5}', 'spec.delivery.retry: Invalid input'],
    ['  delivery: {timeout: 15s}', 'spec.delivery.timeout: is no ISO 8601 duration'],
    ['  delivery: {backoffPolicy: constant}', 'spec.delivery.backoffPolicy: Invalid option'],
    ['  delivery: {deadLetterSink: {}}', 'spec.delivery.deadLetterSink: needs a ref or a uri'],
    ['  delivery: {deadLetterSink: {uri: /x}}', 'spec.delivery.deadLetterSink: needs an absolute'],
    ['  ceOverrides: {extensions: {my-x: y}}', 'spec.ceOverrides.extensions.my-x: '],
    ['  consumers: [', 'Flow sequence in block collection'],
  ])('%s', (line, problem) => {
    const problems = problemsOf(`${header}${spec}${sink}\n${line}`);
    expect(problems[0]).toContain('0.yaml: ');
    expect(problems[0]).toContain(problem);
  });

  test('required fields', () => {
    const problems = problemsOf(`${header}spec: {bootstrapServers: []}`);
    expect(problems.join('\n')).toContain('0.yaml: spec.bootstrapServers: is empty');
    expect(problems.join('\n')).toContain('0.yaml: spec.topics: ');
    expect(problems.join('\n')).toContain('0.yaml: spec.sink: ');
  });

  test('all files are looked at', () => {
    const problems = problemsOf(
      `${header.replace('/v1', '/v2')}${spec}${sink}`,
      kafkaSink.replace('binary', 'structured'),
      'kind: Service',
    );
    expect(problems).toEqual([
      expect.stringContaining('0.yaml: apiVersion: '),
      expect.stringContaining('1.yaml: spec.contentMode: has to be binary'),
      '2.yaml: kind: Service is neither KafkaSource nor KafkaSink',
    ]);
  });

  test('what makes the topics lies in the same folder, and is passed over', () => {
    const [source] = parse(`${header}${spec}${sink}`, 'kind: ConfigMap', 'kind: Job').sources;
    expect(source?.name).toBe('s');
  });

  test('the same name twice', () => {
    const source = `${header}${spec}${sink}`;
    expect(problemsOf(`${source}\n---${source}`)).toEqual([
      'ManifestError: 0.yaml: metadata.name: KafkaSource seckill/s is in 0.yaml already',
    ]);
  });

  test('a key type that is not delivered here', () => {
    const label = 'labels: {kafkasources.sources.knative.dev/key-type: float}, namespace:';
    expect(problemsOf(`${header.replace('namespace:', label)}${spec}${sink}`)).toEqual([
      expect.stringContaining('key-type: float is not delivered locally'),
    ]);
  });

  test('a folder that is not there, or holds nothing', async () => {
    await expect(readManifests('/nowhere', lookup)).rejects.toThrow('/nowhere: there is no such');
    await expect(readManifests(import.meta.dirname, lookup)).rejects.toThrow('has no *.yaml');
  });
});
