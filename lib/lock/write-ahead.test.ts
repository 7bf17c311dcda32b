import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openWriteAhead, type SetAside } from './write-ahead.ts';

let directory: string;
let setAside: SetAside[];
const path = () => join(directory, 'lock.record');
const open = () => openWriteAhead(directory, (found) => setAside.push(found));

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'seckill-record-'));
  setAside = [];
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('what was written is read by the next process', async () => {
  const first = open();
  expect(await first.read()).toBeUndefined();
  await first.begin('uuid-1', '42');
  await first.include('shoe');
  await first.include('hat');
  await first.include('shoe');
  expect(await open().read()).toEqual({ uuid: 'uuid-1', leaseId: '42', products: ['shoe', 'hat'] });
});

test('a new lease keeps the products that nobody has seen to', async () => {
  const first = open();
  await first.read();
  await first.begin('uuid-1', '42');
  await first.include('shoe');
  const second = open();
  await second.read();
  await second.begin('uuid-2', '43');
  expect(await open().read()).toEqual({ uuid: 'uuid-2', leaseId: '43', products: ['shoe'] });
});

test('each of many products at once is on the disk when its call is done', async () => {
  const writeAhead = open();
  await writeAhead.read();
  await writeAhead.begin('uuid-1', '42');
  const names = Array.from({ length: 50 }, (_, index) => `p${index}`);
  await Promise.all(
    names.map(async (name) => {
      await writeAhead.include(name);
      expect(await readFile(path(), 'utf8')).toContain(`"${name}"`);
    }),
  );
  expect((await open().read())?.products).toEqual(names);
});

test('nothing is left after leaving in good order, and no temporary file ever', async () => {
  const writeAhead = open();
  await writeAhead.read();
  await writeAhead.begin('uuid-1', '42');
  expect(await readdir(directory)).toEqual(['lock.record']);
  await writeAhead.clear();
  expect(await readdir(directory)).toEqual([]);
});

test('torn at any byte, it is set aside and the next write starts afresh', async () => {
  const writeAhead = open();
  await writeAhead.read();
  await writeAhead.begin('uuid-1', '42');
  await writeAhead.include('shoe');
  const whole = await readFile(path());
  for (let length = 0; length < whole.length; length += 1) {
    const torn = whole.subarray(0, length);
    await writeFile(path(), torn);
    const next = open();
    expect(await next.read(), `cut at ${length}`).toBeUndefined();
    expect(setAside.splice(0)).toEqual([{ path: `${path()}.set-aside`, reason: 'torn' }]);
    expect(await readFile(`${path()}.set-aside`)).toEqual(torn);
    await next.begin('uuid-2', '43');
    expect(await open().read()).toEqual({ uuid: 'uuid-2', leaseId: '43', products: [] });
  }
});

test('one flipped bit is noticed wherever it is', async () => {
  const writeAhead = open();
  await writeAhead.read();
  await writeAhead.begin('uuid-1', '42');
  const whole = await readFile(path());
  for (let index = 0; index < whole.length; index += 1) {
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(index) ^ 1, index);
    await writeFile(path(), flipped);
    expect(await open().read(), `flipped at ${index}`).toBeUndefined();
  }
});

test.each([
  ['{"uuid":"uuid-1","leaseId":"42","products":[]}\n', 'foreign'],
  ['some-other-record 1 00\n{}\n', 'foreign'],
  ['hello', 'foreign'],
  ['seckill-lock-record 2 00\n{}\n', 'other-version'],
  ['seckill-lock-record 1 00\n{}\n', 'torn'],
  ['\0'.repeat(4096), 'foreign'],
])('a file that is not ours is set aside: %j', async (content, reason) => {
  await writeFile(path(), content);
  expect(await open().read()).toBeUndefined();
  expect(setAside).toEqual([{ path: `${path()}.set-aside`, reason }]);
});

test('a directory that cannot be written to is an error', async () => {
  await writeFile(path(), 'a file, not a directory');
  const writeAhead = openWriteAhead(path(), () => undefined);
  await expect(writeAhead.read()).rejects.toThrow();
});

test('after a failed write the next one is tried', async () => {
  const writeAhead = open();
  await writeAhead.read();
  await writeAhead.begin('uuid-1', '42');
  await rm(directory, { recursive: true });
  await expect(writeAhead.include('shoe')).rejects.toThrow();
  expect(await writeAhead.read()).toBeUndefined();
  await writeAhead.include('shoe');
  expect((await open().read())?.products).toEqual(['shoe']);
});
