// The body of a remote write to Prometheus (protocol 1.0): series with one sample each, as protocol
// buffers in a block of Snappy. Both are written by hand, since so little of them is needed; Snappy
// may say that nothing is compressed, and a few kilobytes twice in an instance's life need no more.

/** One sample of one series; `labels` include `__name__`. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

export const remoteWriteHeaders = {
  'content-type': 'application/x-protobuf',
  'content-encoding': 'snappy',
  'x-prometheus-remote-write-version': '0.1.0',
} as const;

/** A WriteRequest of these samples, compressed as the protocol wants it. */
export function encodeRemoteWrite(samples: readonly Sample[]): Buffer<ArrayBuffer> {
  return snappyLiteral(Buffer.concat(samples.map((sample) => field(1, timeSeries(sample)))));
}

function timeSeries({ labels, value, atMs }: Sample): Buffer {
  // The protocol wants labels in the order of their names.
  const named = Object.entries(labels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, text]) =>
      field(1, Buffer.concat([field(1, Buffer.from(name)), field(2, Buffer.from(text))])),
    );
  const number = Buffer.alloc(9);
  number.writeUInt8((1 << 3) | fixed64);
  number.writeDoubleLE(value, 1);
  const sample = Buffer.concat([number, Buffer.of((2 << 3) | varint), varintOf(atMs)]);
  return Buffer.concat([...named, field(2, sample)]);
}

/** The wire types of protocol buffers that are needed. */
const varint = 0;
const fixed64 = 1;
const lengthDelimited = 2;

function field(number: number, content: Buffer): Buffer {
  const tag = Buffer.of((number << 3) | lengthDelimited);
  return Buffer.concat([tag, varintOf(content.length), content]);
}

function varintOf(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  // Not by shifts: milliseconds since 1970 have more than 32 bits.
  while (rest >= 128) {
    bytes.push((rest % 128) + 128);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** The most that one literal of two length bytes holds. */
const literalBytesMax = 65_536;
/** The tag of a literal whose length, less one, is in the two bytes after it. */
const literalTag = 61 << 2;

function snappyLiteral(content: Buffer): Buffer<ArrayBuffer> {
  const parts = [varintOf(content.length)];
  for (let at = 0; at < content.length; at += literalBytesMax) {
    const literal = content.subarray(at, at + literalBytesMax);
    const header = Buffer.alloc(3);
    header.writeUInt8(literalTag);
    header.writeUInt16LE(literal.length - 1, 1);
    parts.push(header, literal);
  }
  return Buffer.concat(parts);
}
