// The guards of the seller, each taken away: by another text of a script, or by a wrapper around what
// the shipped code is given. A text that is not there any more is an error, not a guard that is kept.

import type { Without } from './instances.ts';

/** Another text for every script that has this one; the rest is as shipped. */
function replacing(found: string, by: string, isRequiredIn: RegExp): Without {
  return {
    script(source) {
      if (source.includes(found)) return source.replaceAll(found, by);
      if (isRequiredIn.test(source)) throw new Error(`a script has no longer: ${found}`);
      return source;
    },
  };
}

const isSell = /^-- Decides a batch of purchases/;

/** Tokens are not compared, by any script. */
const fence: Without = {
  script(source) {
    const compared = [
      'newRevision < revision or (newRevision == revision and newIncarnation < incarnation)',
      `tonumber(ARGV[2]) < revision
  or (tonumber(ARGV[2]) == revision and tonumber(ARGV[3]) < incarnation)`,
    ];
    const found = compared.find((text) => source.includes(text));
    if (found === undefined && source.includes('3 incarnation')) {
      throw new Error('a script compares tokens in another way');
    }
    return found === undefined ? source : source.replace(found, 'false');
  },
};

/** Another generation's caller may sell, acknowledge and change. */
const generationCheck: Without = {
  script(source) {
    const compared = ['generation ~= ARGV[1]', 'fields[1] ~= ARGV[1]'];
    const found = source.includes('1 generation') && compared.find((text) => source.includes(text));
    if (!found && source.includes('1 generation')) {
      throw new Error('a script compares generations in another way');
    }
    return found ? source.replace(found, 'false') : source;
  },
};

/** What an earlier holder left in the outbox is no reason to wait. */
const outboxRule = replacing('if #leftovers > 1 then return leftovers end', '', isSell);

/** Whether it is a repeat is asked last. */
const duplicateFirst: Without = {
  script(source) {
    if (!isSell.test(source)) return source;
    const asked = "  if before then return before == quantity and 'replayed' or 'key_reused' end\n";
    const sold = "  sell(orderId, userId, quantity, traceparent)\n  return 'accepted'\n";
    if (!source.includes(asked) || !source.includes(sold)) throw new Error('sell has changed');
    return source.replace(asked, '').replace(sold, asked + sold);
  },
};

/** Nobody looks whether the lock is still held. */
const deadline: Without = {
  lock: (held) =>
    new Proxy(held, {
      get(target, name) {
        if (name === 'isHeld') return () => true;
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    }),
};

/** An answer counts for the partitions that it does not name, too. */
const partitionCheck: Without = {
  kafkaClient: (client) => ({
    producer(config) {
      const producer = client.producer(config);
      return {
        ...producer,
        async send(record) {
          const answers = await producer.send(record);
          const named = new Set(answers.map(({ partition }) => partition));
          const missing = record.messages
            .map(({ partition = 0 }) => partition)
            .filter((partition) => !named.has(partition))
            .map((partition) => ({ topicName: record.topic, partition, errorCode: 0 }));
          return [...answers, ...missing];
        },
      };
    },
  }),
};

/** The same producer goes on after it has failed. */
const producersReplacement: Without = {
  connect(connect) {
    let first: ReturnType<typeof connect> | undefined;
    return async () => {
      first ??= connect();
      return { ...(await first), discard: () => undefined };
    };
  },
};

export const guards = {
  fence,
  'generation check': generationCheck,
  'outbox rule': outboxRule,
  'duplicate-first order': duplicateFirst,
  'deadline before 202': deadline,
  'partition check': partitionCheck,
  "producer's replacement": producersReplacement,
} as const satisfies Record<string, Without>;

export type Guard = keyof typeof guards;
