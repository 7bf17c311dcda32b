import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { attributeHeaderOf, isHeaderValue } from './header-values.ts';

const characters = Array.from({ length: 300 }, (_, code) => String.fromCharCode(code));

/** What a receiver reads in a header that was sent so. */
async function received(values: readonly string[]): Promise<readonly (string | undefined)[]> {
  const server = createServer(({ headers }, response) => {
    response.end(JSON.stringify(values.map((_, nth) => headers[`x-${nth}`])));
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const headers = Object.fromEntries(values.map((value, nth) => [`x-${nth}`, value]));
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, headers, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        resolve(JSON.parse(text) as string[]);
      });
    })
      .on('error', reject)
      .end();
  });
}

test('a header has no control characters but the tab, and no more than Latin-1', () => {
  const taken = characters.filter((character) => isHeaderValue(`a${character}b`));
  const isTaken = (code: number) => code === 9 || (code >= 32 && code < 256 && code !== 127);
  expect(taken).toEqual(characters.filter((_, code) => isTaken(code)));
});

test('every attribute arrives: as it is, or percent-encoded', async () => {
  const texts = [...characters, ...characters.map((one) => `${one}x`), 'a "b" 50%', '商品 €', ''];
  const sent = texts.map(attributeHeaderOf);
  expect(sent.filter((text) => !isHeaderValue(text))).toEqual([]);
  for (const [nth, read] of (await received(sent)).entries()) {
    const text = texts[nth] ?? '';
    expect([
      text,
      decodeURIComponent(sent[nth] === text ? encodeURIComponent(text) : (read ?? '')),
    ]).toEqual([text, text]);
    expect(read).toBe(sent[nth]);
  }
});

test('what HTTP carries goes as the dispatcher sends it; all of the rest is encoded', () => {
  expect(attributeHeaderOf('a "b" 50%')).toBe('a "b" 50%');
  expect(attributeHeaderOf('a "b" 50%\n')).toBe('a%20%22b%22%2050%25%0A');
  expect(attributeHeaderOf('Euro €')).toBe('Euro%20%E2%82%AC');
  expect(attributeHeaderOf(' ')).toBe('%20');
  // Half of a pair of UTF-16 has no UTF-8 of its own.
  expect(attributeHeaderOf('\ud800')).toBe('%EF%BF%BD');
});
