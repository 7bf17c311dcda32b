import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { memberOptions } from './etcd.ts';

interface StatefulSet {
  readonly spec: {
    readonly template: { readonly spec: { readonly containers: readonly { args: string[] }[] } };
  };
}

const file = join(import.meta.dirname, '../../stores/etcd/200-statefulset-etcd.yaml');

/** Where it lives is each one's own. */
const isPlace = /^(name|data-dir|initial-cluster|.*-urls)$/;

test('a member is told what its pod is told', () => {
  const { containers } = (parse(readFileSync(file, 'utf8')) as StatefulSet).spec.template.spec;
  const pods = (containers[0]?.args ?? []).map((arg) => arg.replace(/^--/, '').split('='));
  const member = { name: 'etcd', port: 1, peerPort: 2 };
  const own = memberOptions({ ...member, members: [member], folder: '/', password: '' });
  const settings = (options: readonly string[][]) =>
    new Map(
      options
        .map(([name = '', value]) => [name, value] as const)
        .filter(([name]) => !isPlace.test(name)),
    );
  expect(settings(Object.entries(own))).toEqual(settings(pods));
});
