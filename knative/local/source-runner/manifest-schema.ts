// The fields of KafkaSource and KafkaSink (eventing-kafka-broker 1.23), as the API server and the
// webhooks check them: a field that Knative does not know is refused, not ignored.

import * as z from 'zod';
import { isExtensionName } from './cloud-event.ts';
import { parseDuration } from './duration.ts';

const text = z.string().min(1, 'is empty');
const texts = z.record(z.string(), z.string());
const metadata = z.strictObject({
  name: text,
  namespace: text.default('default'),
  labels: texts.default({}),
  annotations: texts.optional(),
});

const durationMs = text.transform((value, context) => {
  const duration = parseDuration(value);
  if ('ms' in duration) return duration.ms;
  context.addIssue({ code: 'custom', message: duration.problem });
  return z.NEVER;
});

const destination = z
  .strictObject({
    ref: z
      .strictObject({
        apiVersion: text,
        kind: text,
        name: text,
        namespace: text.optional(),
      })
      .optional(),
    uri: text.optional(),
    CACerts: text.optional(),
    audience: text.optional(),
  })
  .refine(({ ref, uri }) => ref !== undefined || uri !== undefined, 'needs a ref or a uri')
  .refine(
    ({ ref, uri }) => ref !== undefined || uri === undefined || URL.canParse(uri),
    'needs an absolute uri, or a ref that a relative one starts from',
  );

const secretKey = z.strictObject({
  secretKeyRef: z.strictObject({ name: text, key: text, optional: z.boolean().optional() }),
});
const net = z.strictObject({
  tls: z
    .strictObject({
      enable: z.boolean().optional(),
      cert: secretKey.optional(),
      key: secretKey.optional(),
      caCert: secretKey.optional(),
    })
    .optional(),
  sasl: z
    .strictObject({
      enable: z.boolean().optional(),
      user: secretKey.optional(),
      password: secretKey.optional(),
      type: secretKey.optional(),
      tokenProvider: secretKey.optional(),
      roleARN: secretKey.optional(),
    })
    .optional(),
});

const delivery = z.strictObject({
  deadLetterSink: destination.optional(),
  retry: z.int().nonnegative().optional(),
  backoffPolicy: z.enum(['linear', 'exponential']).optional(),
  backoffDelay: durationMs.optional(),
  timeout: durationMs.optional(),
  /** Behind a feature flag of Knative that is off by default, so it has no effect. */
  retryAfterMax: durationMs.optional(),
});

export const keyTypeLabel = 'kafkasources.sources.knative.dev/key-type';

export const kafkaSourceSchema = z.strictObject({
  apiVersion: z.literal('sources.knative.dev/v1'),
  kind: z.literal('KafkaSource'),
  metadata,
  spec: z.strictObject({
    bootstrapServers: z.array(text).min(1, 'is empty'),
    topics: z.array(text).min(1, 'is empty'),
    consumerGroup: text.optional(),
    consumers: z.int().nonnegative().default(1),
    initialOffset: z.enum(['earliest', 'latest']).default('latest'),
    ordering: z.enum(['ordered', 'unordered']).default('ordered'),
    delivery: delivery.optional(),
    net: net.optional(),
    sink: destination,
    ceOverrides: z
      .strictObject({
        extensions: z
          .record(z.string().refine(isExtensionName, 'lower-case letters and digits only'), text)
          .default({}),
      })
      .optional(),
  }),
});

export const kafkaSinkSchema = z.strictObject({
  apiVersion: z.literal('eventing.knative.dev/v1alpha1'),
  kind: z.literal('KafkaSink'),
  metadata,
  spec: z.strictObject({
    topic: text,
    bootstrapServers: z.array(text).min(1, 'is empty'),
    numPartitions: z.int().positive().optional(),
    replicationFactor: z.int().positive().optional(),
    contentMode: z.literal('binary', 'has to be binary, the only one that is written locally'),
    auth: z
      .strictObject({ secret: z.strictObject({ ref: z.strictObject({ name: text }) }) })
      .optional(),
  }),
});

export type KafkaSourceDocument = z.infer<typeof kafkaSourceSchema>;
export type KafkaSinkDocument = z.infer<typeof kafkaSinkSchema>;
export type DestinationDocument = z.infer<typeof destination>;
