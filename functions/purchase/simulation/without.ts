// The guards of the seller, each taken away: by another text of a script, or by a wrapper around what
// the shipped code is given. A text that is not there any more is an error, not a guard that is kept.

import type { Without } from './instances.ts';
import { shippedScripts } from './scripts.ts';

/**
 * Other texts for the shipped scripts that match `of`. They are made when this module is loaded, and
 * each of these scripts must have every text to be changed: an error within the simulated Redis
 * would look like one of its faults.
 */
function changing(
  of: RegExp,
  ...changes: readonly (readonly [found: RegExp, by: string])[]
): Without {
  const changed = new Map<string, string>();
  for (const { file, text } of shippedScripts.filter((script) => of.test(script.text))) {
    let now = text;
    for (const [found, by] of changes) {
      const before = now;
      now = before.replace(found, () => by);
      if (now === before) throw new Error(`${file} has no longer: ${found.source}`);
    }
    changed.set(text, now);
  }
  if (changed.size === 0) throw new Error(`no script has: ${of.source}`);
  return { script: (source) => changed.get(source) ?? source };
}

/** That piece of Lua, wherever its lines are broken. */
function lua(text: string): RegExp {
  const escaped = text.replaceAll(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`);
  return new RegExp(escaped.replaceAll(/\s+/g, String.raw`\s+`));
}

const isSell = /^-- Decides a batch of purchases/;
const isAcknowledge = /^-- Removes batches that Kafka has acknowledged/;
const isSnapshot = /^-- One look at a sale/;

/** Tokens are not compared, by any script that is given one. */
const fence = changing(/^-- ARGV .*\b3 incarnation\b/m, [
  /(newRevision|tonumber\(ARGV\[2\]\))\s+<\s+revision\s+or\s+\(\1\s+==\s+revision\s+and\s+(newIncarnation|tonumber\(ARGV\[3\]\))\s+<\s+incarnation\)/,
  'false',
]);

/** Another generation's caller may sell, acknowledge and change. */
const generationCheck = changing(/^-- ARGV .*\b1 generation\b/m, [
  /\b(generation|fields\[1\])\s+~=\s+ARGV\[1\]/,
  'false',
]);

/** What an earlier holder left in the outbox is no reason to wait. */
const outboxRule = changing(isSell, [lua('if #leftovers > 1 then return leftovers end'), '']);

/** Whether it is a repeat is asked last. */
const isRepeat = "if before then return before == quantity and 'replayed' or 'key_reused' end";
const sells = "sell(orderId, userId, quantity, traceparent) return 'accepted'";
const duplicateFirst = changing(isSell, [lua(isRepeat), ''], [lua(sells), `${isRepeat} ${sells}`]);

/** What a Redis process acknowledges need not have been loaded into it. */
const acknowledgersProcess = changing(isAcknowledge, [
  /string\.match\(info, 'run_id:\(%x\+\)'\)\s+~=\s+fields\[\d\]\s+or\s+string\.match\(info, 'master_replid:\(%x\+\)'\)\s+~=\s+fields\[\d\]/,
  'false',
]);

/** Only orders and batches are counted: a sale that Redis has lost looks like one of no orders. */
const settlersSnapshot = changing(
  isSnapshot,
  [lua('if ARGV[1] then'), 'if false then'],
  [
    lua("redis.call('HGETALL', sale)"),
    `{'state', 'closed', 'run_id', string.match(info, 'run_id:(%x+)'),
      'replid', string.match(info, 'master_replid:(%x+)')}`,
  ],
);

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
  'process check of an acknowledgement': acknowledgersProcess,
  'snapshot that settles': settlersSnapshot,
} as const satisfies Record<string, Without>;

export type Guard = keyof typeof guards;
