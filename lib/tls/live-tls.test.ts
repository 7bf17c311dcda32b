import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { createAuthority } from '#lib/testing/certificates.ts';
import { createLiveTls } from './live-tls.ts';

const folder = mkdtempSync(join(tmpdir(), 'seckill-tls-'));
const authority = createAuthority(folder);
const { caFile } = authority;
const one = authority.issue('one');
const other = authority.issue('other');

afterAll(() => {
  rmSync(folder, { recursive: true });
});

test('a rotated pair is seen as a whole, half of one is not', async () => {
  const [certFile, keyFile] = [join(folder, 'tls.crt'), join(folder, 'tls.key')];
  copyFileSync(one.certFile, certFile);
  copyFileSync(one.keyFile, keyFile);
  const live = createLiveTls({ caFile, certFile, keyFile });
  const first = { ...live };
  expect(first.cert).toEqual(readFileSync(one.certFile));
  expect(first.key).toEqual(readFileSync(one.keyFile));

  await Promise.resolve();
  copyFileSync(other.certFile, certFile);
  expect({ ...live }).toEqual(first);
  await Promise.resolve();
  // For as long as options are put together, nothing changes.
  expect(live.cert).toBe(first.cert);
  copyFileSync(other.keyFile, keyFile);
  expect(live.key).toBe(first.key);
  await Promise.resolve();
  expect({ ...live }).toEqual({
    ca: first.ca,
    cert: readFileSync(other.certFile),
    key: readFileSync(other.keyFile),
  });
});

test('what was good stays in use while a file is away; a start without it is refused', async () => {
  const path = join(folder, 'away.crt');
  expect(() => createLiveTls({ caFile: path })).toThrow(/ENOENT.*away\.crt/);
  copyFileSync(caFile, path);
  const live = createLiveTls({ caFile: path, serverName: 'redis.example' });
  expect(Object.keys(live)).toEqual(['ca', 'servername']);
  rmSync(path);
  await Promise.resolve();
  expect(live.ca).toEqual(readFileSync(caFile));
  writeFileSync(path, 'no certificate');
  await Promise.resolve();
  expect(live.ca).toEqual(readFileSync(caFile));
  expect(() => createLiveTls({ caFile: path })).toThrow(path);
});

test('a key that is not of its certificate stops the start', () => {
  const mixed = { caFile, certFile: one.certFile, keyFile: other.keyFile };
  expect(() => createLiveTls(mixed)).toThrow(/key values mismatch/);
});
