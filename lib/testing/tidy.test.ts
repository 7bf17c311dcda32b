// Conventions of the tree that no other tool checks. Each failure says what to do.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
// Files that git knows or would add, so that what is ignored is not read.
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)));
const read = (file: string) => readFileSync(join(root, file), 'utf8');
const code = files.filter((file) => file.endsWith('.ts'));
/** What only tests use is named so. */
const forTests = /\.test\.ts$|testing\/|simulation\/|fixture|under-test|\/test-|\/own-/;
const product = code.filter((file) => !forTests.test(file));
const functionNames = ['ratelimit-edge', 'purchase', 'persist-order', 'update-rank'];

test('there are no other folders at the top than those of the design', () => {
  const folders = new Set(
    files.filter((file) => file.includes('/')).map((file) => file.split('/')[0]),
  );
  expect([...folders].sort()).toEqual(
    expect.arrayContaining(['functions', 'kafka-sources', 'knative', 'lib']),
  );
  const known = ['.ci', 'functions', 'grafana', 'kafka-sources', 'knative', 'lib'];
  expect([...folders].filter((folder) => !known.includes(String(folder)))).toEqual([]);
});

describe.each(functionNames)('functions/%s', (name) => {
  test('has the shape of every function', () => {
    for (const file of ['README.md', 'main.ts', 'app.ts']) {
      expect(files, `functions/${name}/${file} is missing`).toContain(`functions/${name}/${file}`);
    }
    const lines = read(`functions/${name}/README.md`).trimEnd().split('\n').length;
    expect(lines, `functions/${name}/README.md is too long`).toBeLessThanOrEqual(40);
  });

  // Beside it, what is a program of its own (migrate), and what is to run before anything else of
  // main is even set up.
  test('reads the environment in main.ts only', () => {
    const readers = product.filter(
      (file) =>
        file.startsWith(`functions/${name}/`) && /process\.env|readEnvironment\(/.test(read(file)),
    );
    expect(readers.filter((file) => !/\/(main|migrate|wake-purchase)\.ts$/.test(file))).toEqual([]);
  });
});

test('a Redis script says in its name how many keys it takes, and in its header what they are', () => {
  const scripts = files.filter((file) => file.startsWith('lib/') && file.endsWith('.lua'));
  expect(scripts.length).toBeGreaterThan(0);
  for (const file of scripts) {
    const text = read(file);
    expect(basename(file), file).toMatch(/^[a-z]+(-[a-z]+)*-(\d+|n)\.lua$/);
    const comments = text.slice(0, text.search(/^(?!--)/m));
    expect(comments, `${file}: the header names KEYS`).toContain('KEYS');
    expect(comments, `${file}: the header says what is returned`).toMatch(/Returns/);
  }
});

test('lines are at most 100 columns, but for a text that cannot be broken', () => {
  const problems = files
    .filter((file) => /\.(ts|lua)$/.test(file))
    .flatMap((file) =>
      read(file)
        .split('\n')
        .map((line, index) => ({ line, at: `${file}:${index + 1}` }))
        .filter(({ line }) => line.length > 100 && !/['"`/]/.test(line))
        .map(({ at }) => at),
    );
  expect(problems).toEqual([]);
});

test('no test runs alone or is only planned', () => {
  const tests = code.filter((file) => file.endsWith('.test.ts') && !file.endsWith('tidy.test.ts'));
  const problems = tests.filter((file) => /\b(test|it|describe)\.(only|todo)\b/.test(read(file)));
  expect(problems).toEqual([]);
});

test('images have a version', () => {
  const manifests = files.filter((file) => /\.ya?ml$/.test(file));
  const problems = manifests.filter((file) =>
    read(file)
      .split('\n')
      .some((line) => /^\s*-?\s*image:/.test(line) && /:latest\b|image:\s*[\w./-]+$/.test(line)),
  );
  expect(problems).toEqual([]);
});

test('nothing but the clients of lib touches the weak packages', () => {
  const importers = (name: string, allowed: RegExp) =>
    product.filter((file) => read(file).includes(`from '${name}`) && !allowed.test(file));
  // Users and topics are made by what the functions don't carry.
  expect(importers('etcd3', /^lib\/etcd\/|^knative\/stores\/etcd\//)).toEqual([]);
  expect(importers('kafkajs', /^lib\/kafka\/|^knative\/(local|stores\/kafka)\//)).toEqual([]);
});
