// What public flash-sale systems do in a second, and what of it they count. Those that were measured
// were run on two cores, with their stores and the client on the same ones; the rest is their own word.

export interface Other {
  readonly name: string;
  readonly stack: string;
  /** Of what one counts. */
  readonly counts: string;
  /** Whether what is counted outlives a crash of the system. */
  readonly isDurable: boolean;
  readonly perSecond: readonly [from: number, to: number];
  readonly source: 'measured' | 'claimed';
  /** What was seen besides. */
  readonly remark: string;
}

/** What a do-nothing Hono endpoint answered where the others were measured: ratios are of it. */
export const doNothingThere = 21_000;

export const others: readonly Other[] = [
  {
    name: 'GuoZhaoran/spikeSystem',
    stack: 'Go, Redis',
    counts: 'yes to a request; keeps no orders, knows no users',
    isDurable: false,
    perSecond: [8_800, 9_500],
    source: 'measured',
    remark: 'sold one too many each time',
  },
  {
    name: '05allan1213/SecKill, its linger of a second mended',
    stack: 'Go, Redis, etcd, Kafka, MySQL',
    counts: 'orders in Kafka',
    isDurable: true,
    perSecond: [1_560, 1_560],
    source: 'measured',
    remark: '68/s as shipped; 24–70 rows/s meanwhile; kill -9 leaked 19–63 units',
  },
  {
    name: 'dtm-labs/dtm-cases flash',
    stack: 'Go, DTM, Redis, MySQL',
    counts: 'orders in the transaction record',
    isDurable: true,
    perSecond: [990, 1_040],
    source: 'measured',
    remark: 'lost nothing when killed; the last order came 17–19 s later',
  },
  {
    name: 'rokib572/flash-sale, direct',
    stack: 'TypeScript, PostgreSQL',
    counts: 'rows',
    isDurable: true,
    perSecond: [240, 270],
    source: 'measured',
    remark: '',
  },
  {
    name: 'rokib572/flash-sale, queue',
    stack: 'TypeScript, BullMQ, PostgreSQL',
    counts: 'places in a queue',
    isDurable: false,
    perSecond: [580, 640],
    source: 'measured',
    remark: '260–270 rows/s; 2,288 buyers of 1,000 units were told yes',
  },
  {
    name: 'Ticket-Craze',
    stack: 'TypeScript, Redis, KafkaJS, MySQL',
    counts: 'orders',
    isDurable: true,
    perSecond: [54, 66],
    source: 'measured',
    remark: '90 % deadlock errors; 16,044 units leaked in one run',
  },
  {
    name: 'yaiiow159',
    stack: 'Java 21, Kafka, MySQL',
    counts: 'rows (1,471/s accepted before them)',
    isDurable: true,
    perSecond: [213, 213],
    source: 'claimed',
    remark: '',
  },
  {
    name: 'qwan30',
    stack: 'Java 21',
    counts: 'orders, by strategy',
    isDurable: true,
    perSecond: [142, 443],
    source: 'claimed',
    remark: '',
  },
  {
    name: 'TigerFans',
    stack: 'Python, TigerBeetle',
    counts: 'reservations',
    isDurable: true,
    perSecond: [977, 977],
    source: 'claimed',
    remark: '',
  },
  {
    name: '05allan1213/SecKill, its README',
    stack: 'Go, Redis, etcd, Kafka, MySQL',
    counts: 'refusals of one user',
    isDurable: false,
    perSecond: [56_669, 56_669],
    source: 'claimed',
    remark: 'measured: 1,450–2,160 refusals/s',
  },
];
