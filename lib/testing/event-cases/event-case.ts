// Requests that are CloudEvents, and requests that are not quite, with what a reader has to make of
// them. Where the SDK (`cloudevents`) makes something else of one, the rule that decides is said.

type Pairs = readonly (readonly [name: string, value: string])[];

export interface EventCase {
  readonly what: string;
  /** As they are sent: a name may come twice, in any case. */
  readonly headers: Pairs;
  readonly body: string | Buffer;
  /** What is read, as far as it is not `plainEvent`; undefined where it is to be refused. */
  readonly reads: Partial<ReadEvent> | undefined;
  /** The SDK does otherwise, though this rule says what is right. */
  readonly sdk?: {
    readonly does: 'take it' | 'refuse it' | 'read something else';
    readonly rule: string;
  };
}

export interface ReadEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly subject: string | undefined;
  /** In epoch milliseconds, without their fraction; the SDK has no finer ones. */
  readonly timeMs: number | undefined;
  readonly data: string;
}

export const plainEvent: ReadEvent = {
  id: 'p.1.1',
  source: '/seckill/purchase',
  type: 'seckill.orders.accepted.v1',
  subject: 'p',
  timeMs: Date.UTC(2026, 8, 21, 14, 13, 20, 123),
  data: '{"a":1}',
};

export const plainAttributes: Readonly<Record<string, unknown>> = {
  specversion: '1.0',
  id: plainEvent.id,
  source: plainEvent.source,
  type: plainEvent.type,
  subject: plainEvent.subject,
  time: '2026-09-21T14:13:20.123456Z',
};

export type Changes = Readonly<Record<string, unknown>>;
export type Sdk = EventCase['sdk'];

export const takes = (rule: string): Sdk => ({ does: 'take it', rule });
export const refuses = (rule: string): Sdk => ({ does: 'refuse it', rule });
export const differs = (rule: string): Sdk => ({ does: 'read something else', rule });

export const rfc3339 = 'time is a Timestamp: RFC 3339, 5.6 and 5.7';
const timeOf = (...args: Parameters<typeof Date.UTC>) => ({ timeMs: Date.UTC(...args) });

/** What both modes must make of a time. */
export const times: readonly (readonly [string, string, EventCase['reads'], Sdk?])[] = [
  ['without a fraction', '2026-09-21T14:13:20Z', timeOf(2026, 8, 21, 14, 13, 20)],
  ['with nanoseconds', '2026-09-21T14:13:20.123456789Z', {}],
  ['with an offset', '2026-09-21T22:13:20.123456+08:00', {}],
  ['with a negative one', '2026-09-21T09:43:20.123456-04:30', {}],
  ['with an unknown one', '2026-09-21T14:13:20.123456-00:00', {}],
  ['in lower case', '2026-09-21t14:13:20.123456z', {}],
  ['of year 0', '0000-01-01T00:00:00Z', { timeMs: -62_167_219_200_000 }],
  [
    'a leap second',
    '2016-12-31T23:59:60Z',
    timeOf(2017, 0, 1),
    differs(`${rfc3339}: the SDK takes the present one`),
  ],
  [
    'a leap second elsewhere',
    '2016-12-31T15:59:60-08:00',
    timeOf(2017, 0, 1),
    differs(`${rfc3339}: the SDK takes the present one`),
  ],
  ['no leap second', '2026-09-21T14:13:60Z', undefined, takes(rfc3339)],
  ['none at all', 'notatime', undefined, takes(rfc3339)],
  ['a day that is not', '2026-02-30T00:00:00Z', undefined, takes(rfc3339)],
  ['a month that is not', '2026-13-21T14:13:20Z', undefined, takes(rfc3339)],
  ['24 o’clock', '2026-09-21T24:00:00Z', undefined, takes(rfc3339)],
  ['a blank for the T', '2026-09-21 14:13:20Z', undefined, takes(rfc3339)],
  ['without a zone', '2026-09-21T14:13:20', undefined, takes(rfc3339)],
  ['an offset without a colon', '2026-09-21T14:13:20+0800', undefined, takes(rfc3339)],
  ['an offset of a day', '2026-09-21T14:13:20+24:00', undefined, takes(rfc3339)],
  ['a day without a time', '2026-09-21', undefined, takes(rfc3339)],
  ['seconds since 1970', '1790000000', undefined, takes(rfc3339)],
];

export const required = 'id, source, type and specversion are REQUIRED, non-empty strings';
