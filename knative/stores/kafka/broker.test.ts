import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

interface StatefulSet {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly {
          readonly env: readonly { readonly name: string; readonly value?: string }[];
        }[];
      };
    };
  };
}

const file = join(import.meta.dirname, '200-statefulset-kafka.yaml');
const statefulSet = parse(readFileSync(file, 'utf8')) as StatefulSet;
const environment = new Map(
  statefulSet.spec.template.spec.containers[0]?.env.map(({ name, value }) => [name, value]),
);

// What kafka-server-start.sh takes when nothing is said is `-name kafkaServer -loggc`: ten files of
// 100 MB in LOG_DIR, which is a volume of 256 MB. The kubelet evicts who fills it.
test('a broker writes no log of its garbage collections to a volume', () => {
  expect(environment.get('EXTRA_ARGS')).toBe('-name kafkaServer');
});
