// Manifests that are broken on purpose, so that each rule is seen to fail.

import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Manifest } from './manifest.ts';
import { render } from './render.ts';
import type { Rule } from './rule.ts';

export const base = render(resolve(import.meta.dirname, '../base'));

type Path = readonly (string | number)[];
/** Sets what is there, or takes it away (undefined); `-` adds to a list; `added` is an object. */
export type Edit = readonly [title: string, path: Path, value?: unknown];
type Node = Record<string | number, unknown>;

/** The manifests with these edits; an edit that meets nothing is a mistake of the test. */
export function edited(edits: readonly Edit[]): readonly Manifest[] {
  const manifests = structuredClone(base) as Manifest[];
  for (const [title, path, value] of edits) {
    if (title === 'added') {
      manifests.push(value as Manifest);
      continue;
    }
    const index = manifests.findIndex((one) => `${one.kind} ${one.metadata.name}` === title);
    const found = manifests[index];
    if (found === undefined) throw new Error(`there is no ${title}`);
    if (path.length === 0) manifests.splice(index, 1);
    else edit(found as unknown as Node, path, value, title);
  }
  return manifests;
}

function edit(root: Node, path: Path, value: unknown, title: string): void {
  let node = root;
  for (const step of path.slice(0, -1)) {
    node[step] ??= {};
    node = node[step] as Node;
  }
  const last = path.at(-1) ?? '';
  if (last === '-') (node as unknown as unknown[]).push(value);
  else if (value !== undefined) node[last] = value;
  else if (!(last in node)) throw new Error(`${title} has no ${path.join('.')}`);
  else if (Array.isArray(node)) node.splice(Number(last), 1);
  else Reflect.deleteProperty(node, last);
}

export const pod = ['spec', 'template', 'spec'] as const;
export const container = [...pod, 'containers', 0] as const;
export const annotation = (name: string) =>
  ['spec', 'template', 'metadata', 'annotations', name] as const;
export const scaling = (name: string) => annotation(`autoscaling.knative.dev/${name}`);
export const purchase = 'Service purchase';
export const edge = 'Service ratelimit-edge';
export const persist = 'Service persist-order';
export const source = 'KafkaSource persist-order';
export const dead = 'KafkaSink orders-dead-persist';
/** The functions' environment, whose name ends in the hash of its content. */
export const configMap = base
  .filter(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name.startsWith('seckill-'))
  .map(({ metadata }) => `ConfigMap ${metadata.name}`)
  .join();

/** By the name of the rule: what is said, and the edits that break it. */
export type Broken = Readonly<Record<string, readonly (readonly [said: string, ...Edit[]])[]>>;

/** Breaks each rule in each way of the table; a rule without one is a mistake of the test. */
export function seenToFail(rules: readonly Rule[], broken: Broken): void {
  describe.each(rules)('$name', ({ name, check }) => {
    test('holds', () => {
      expect(check(base)).toEqual([]);
      expect(Object.keys(broken)).toContain(name);
    });

    test.each((broken[name] ?? []).map(([said, ...edits]) => ({ said, edits })))(
      'is broken: $said',
      ({ said, edits }) => {
        expect(check(edited(edits)).join('\n')).toContain(said);
      },
    );
  });

  test('every way to break something is about a rule', () => {
    const names = rules.map((rule) => rule.name);
    expect(Object.keys(broken).filter((name) => !names.includes(name))).toEqual([]);
  });
}
