// Bytes that are hardly HTTP: methods, targets, versions, header lines, lengths and chunks as no
// client sends them, cut off anywhere. None of them carries an event that is valid.

import fc from 'fast-check';

export interface FuzzedBytes {
  readonly kind: 'bytes';
  readonly bytes: Buffer;
  /** The request line is a POST to the sink's path. */
  readonly isPostToSink: boolean;
}

const methods = [
  ...['GET', 'PUT', 'HEAD', 'OPTIONS', 'DELETE', 'TRACE'],
  ...['CONNECT', 'PATCH', 'QUERY', 'post', 'FOO', '', 'P\0ST', 'A'.repeat(17_000)],
];
const targets = [
  ...['/?x=1', '//', '/livez', '/readyz', '/metrics', '/x', '*', 'x', ''],
  ...['http://h/', 'http://h:99999/', 'http://[/', '/%', '/%ff', '/%00', '/../..', '/\0', '/ /'],
  `/${'x'.repeat(17_000)}`,
];
const versions = [
  ...['HTTP/1.0', 'HTTP/2.0', 'HTTP/9.9', 'http/1.1', 'HTTP/1.1 x', '', 'HTTQ/1.1', 'HTTP/11'],
];
const lines = [
  ...['Host: x', 'Host: a b', 'Accept: */*', 'Connection: close', 'Connection: keep-alive'],
  ...['content-type: application/json', 'content-type: application/cloudevents+json'],
  ...['ce-id: p.1.1', 'ce-specversion: 1.0', 'ce-type: seckill.orders.accepted.v1', 'ce-source: /'],
  ...['Expect: 100-continue', 'Expect: 200-ok', 'Content-Encoding: gzip', 'TE: trailers'],
  ...['Connection: upgrade', 'Upgrade: websocket', 'x: \xff\xfe', 'x:'],
];
const oddLines = [
  ...['Host: x:99999', 'host: x\r\nhost: y', 'Host:', 'Transfer-Encoding : chunked'],
  ...['no colon', ': no name', 'blank : x', 'x: \0', 'x: \x7f', 'x: a\r\n b', '\t: x'],
  ...['x: a\rb', 'x: a\nb', `x: ${'y'.repeat(17_000)}`, Array(200).fill('x: y').join('\r\n')],
  ...['Content-Length: 5', 'Content-Length: -1', 'Content-Length: 1e3', 'Content-Length: 0x10'],
  ...['Content-Length: 99999999999999999999', 'Content-Length: 5, 5', 'Content-Length:'],
  ...['Transfer-Encoding: chunked', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: xyz'],
  'Transfer-Encoding: chunked, identity',
];
const bodies = [
  ...['', '', 'x', '{}', '{"productId":"p"}', 'GET / HTTP/1.1\r\n\r\n', '\0\0\0\0', '\r\n\r\n'],
  ...['x'.repeat(70_000), '[[[[[[', '5\r\nhello\r\n0\r\n\r\n', 'ffffffffffffffff\r\nx', '-1\r\nx'],
  ...['5;ext=1\r\nhello\r\n0\r\nTrailer: x\r\n\r\n', 'zz\r\n', '5\nhello\n0\n\n', '0\r\n'],
];

/** How the body says where it ends. */
const framings: readonly ((body: string) => string[])[] = [
  () => [],
  (body) => [`Content-Length: ${body.length}`],
  (body) => [`Content-Length: ${body.length}`],
  (body) => [`Content-Length: ${body.length + 7}`],
  (body) => [`Content-Length: ${Math.floor(body.length / 2)}`],
  () => ['Transfer-Encoding: chunked'],
  (body) => ['Transfer-Encoding: chunked', `Content-Length: ${body.length}`],
];

/** A request as bytes, mostly with a fault or two. */
export function fuzzedBytes(): fc.Arbitrary<FuzzedBytes> {
  const garbage = fc
    .uint8Array({ minLength: 1, maxLength: 200 })
    .map((bytes) => ({ kind: 'bytes' as const, bytes: Buffer.from(bytes), isPostToSink: false }));
  const mostly = (plain: string, odd: readonly string[]) =>
    fc.oneof(
      { arbitrary: fc.constant(plain), weight: 4 },
      { arbitrary: fc.constantFrom(...odd), weight: 1 },
    );
  const request = fc
    .record({
      method: mostly('POST', methods),
      target: mostly('/', targets),
      version: mostly('HTTP/1.1', versions),
      extra: fc
        .tuple(
          fc.array(fc.constantFrom(...lines), { maxLength: 4 }),
          fc.array(fc.constantFrom(...oddLines), { maxLength: 1 }),
        )
        .map(([plain, odd]) => ['Host: sink', ...plain, ...odd]),
      body: fc.constantFrom(...bodies),
      framing: fc.constantFrom(...framings),
      eol: mostly('\r\n', ['\n', '\r']),
      cut: fc.option(fc.noBias(fc.integer({ min: 1, max: 999 })), { freq: 5 }),
    })
    .map(({ method, target, version, extra, body, framing, eol, cut }) => {
      const top = [`${method} ${target} ${version}`, ...extra, ...framing(body)].join(eol);
      const bytes = Buffer.from(`${top}${eol}${eol}${body}`, 'latin1');
      const length = cut === null ? bytes.length : Math.ceil((cut * bytes.length) / 1_000);
      const isPostToSink = method === 'POST' && (target === '/' || target === '/?x=1');
      return { kind: 'bytes' as const, bytes: bytes.subarray(0, length), isPostToSink };
    });
  return fc.oneof({ arbitrary: request, weight: 9 }, { arbitrary: garbage, weight: 1 });
}
