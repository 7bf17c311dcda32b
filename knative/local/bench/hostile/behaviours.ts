// What hostile clients do with a connection. Each is written down once: what it sends when it is
// connected, what it goes on to send, and whether it reads what it is answered.

export interface Behaviour {
  readonly opening: Buffer;
  /** Sent again and again, once a second, for as long as the connection lives. */
  readonly drip?: Buffer;
  /** It never reads. */
  readonly isDeaf?: true;
  /** It closes its own side after the opening and stays. */
  readonly isHalfClosed?: true;
}

const bytes = (text: string) => Buffer.from(text, 'latin1');
const host = 'Host: hostile\r\n';
const purchaseLine = 'POST /api/products/hostile/purchase HTTP/1.1\r\n';
const json = 'Content-Type: application/json\r\nIdempotency-Key: hostile-key\r\n';

/** A user who is known, and hostile all the same. */
const authorization = `Authorization: Bearer ${process.env.SECKILL_HOSTILE_TOKEN ?? ''}\r\n`;

export const behaviours = {
  /** Connects, and that was it. */
  silent: { opening: Buffer.alloc(0) },
  /** Has asked something once and stays. */
  idle: { opening: bytes(`GET /livez HTTP/1.1\r\n${host}\r\n`) },
  'slow-headers': { opening: bytes(`GET / HTTP/1.1\r\n${host}X-A: `), drip: bytes('a') },
  'slow-body': {
    opening: bytes(
      `${purchaseLine}${host}${json}${authorization}Content-Length: 4000\r\n\r\n{"quantity":`,
    ),
    drip: bytes(' '),
  },
  'slow-chunks': {
    opening: bytes(
      `${purchaseLine}${host}${json}${authorization}Transfer-Encoding: chunked\r\n\r\n`,
    ),
    drip: bytes('1\r\n \r\n'),
  },
  /** As one that has lost its network in the middle of a request. */
  'half-open': { opening: bytes(`${purchaseLine}${host}Content-`), isDeaf: true },
  'half-closed': { opening: bytes(`${purchaseLine}${host}Content-Le`), isHalfClosed: true },
  /** Asks for a long document, over and over, and reads none. */
  deaf: { opening: bytes(`GET /openapi.json HTTP/1.1\r\n${host}\r\n`.repeat(8)), isDeaf: true },
  'header-bomb': { opening: bytes(`GET / HTTP/1.1\r\n${host}X-A: ${'a'.repeat(64_000)}\r\n\r\n`) },
  'many-headers': { opening: bytes(`GET / HTTP/1.1\r\n${host}${'A: b\r\n'.repeat(2_000)}\r\n`) },
  'pipelined-flood': { opening: bytes(`GET / HTTP/1.1\r\n${host}\r\n`.repeat(100)) },
  'invalid-utf-8': {
    opening: bytes(
      `POST /api/products/%ff%fe/purchase?\xff HTTP/1.1\r\n${host}${json}X-A: \xc3\x28\r\n` +
        'Authorization: Bearer \xff.\xfe.\xfd\r\nContent-Length: 6\r\n\r\n{"\xff":\xfe',
    ),
  },
  'no-http': { opening: bytes('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n') },
} as const satisfies Readonly<Record<string, Behaviour>>;

export type BehaviourName = keyof typeof behaviours;

/** These stay until they are cut, and then come again. */
export const staying = [
  'silent',
  'idle',
  'slow-headers',
  'slow-body',
  'slow-chunks',
  'half-open',
  'half-closed',
  'deaf',
] as const satisfies readonly BehaviourName[];

/** These are answered and gone at once; so many of each a second. */
export const passing = [
  'header-bomb',
  'many-headers',
  'pipelined-flood',
  'invalid-utf-8',
  'no-http',
] as const satisfies readonly BehaviourName[];
