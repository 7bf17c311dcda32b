import { Writable } from 'node:stream';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import { serializers } from './log.ts';

/** What one line of the log says about an error. */
function logged(error: unknown): string {
  let text = '';
  const lines = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  pino({ serializers }, lines).warn({ err: error }, 'it failed');
  return text;
}

test('a command with its arguments stays out, also where it is the cause', () => {
  // As ioredis makes it.
  const reply = Object.assign(new Error('OOM command not allowed'), {
    command: { name: 'evalsha', args: ['order-of-ann', 'ann'] },
  });
  expect(logged(reply)).toContain('OOM command not allowed');
  expect(logged(reply)).not.toContain('ann');
  expect(logged(new Error('a turn failed', { cause: reply }))).toContain('OOM');
  expect(logged(new Error('a turn failed', { cause: reply }))).not.toContain('ann');
});

test('nor does a server repeat the arguments of a command that it does not know', () => {
  const reply = new Error("ERR unknown command 'zadd', with args beginning with: 'p' '1' 'ann' ");
  expect(logged(reply)).toContain("ERR unknown command 'zadd'");
  expect(logged(reply)).not.toContain('ann');
});

test('a statement with its values stays out, and what the server says of them', () => {
  const driver = Object.assign(new Error("Duplicate entry 'ann' for key 'PRIMARY'"), {
    code: 'ER_DUP_ENTRY',
    errno: 1_062,
    sql: "insert into orders values ('ann')",
  });
  const wrapped = Object.assign(new Error("Failed query: insert …\nparams: 'ann'"), {
    query: 'insert …',
    params: ['ann'],
    cause: driver,
  });
  for (const error of [driver, wrapped, new Error('not written', { cause: wrapped })]) {
    expect(logged(error)).toContain('ER_DUP_ENTRY');
    expect(logged(error)).not.toContain("'ann'");
  }
});
