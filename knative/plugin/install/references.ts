// Which Secrets the objects of an overlay refer to, and cannot do without.

import type { Kube, KubeObject } from '../kube/client.ts';
import { readSecret, type SecretResult } from './secrets.ts';

/** By name, the keys that are asked for one by one; none where all of it is taken. */
export type SecretReferences = ReadonlyMap<string, ReadonlySet<string>>;

type Fields = Readonly<Record<string, unknown>>;

/** What is `optional` is not among them. */
export function secretsReferredTo(objects: readonly KubeObject[]): SecretReferences {
  const found = new Map<string, Set<string>>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [field, inner] of Object.entries(value)) {
      const { name, key } = referenceIn(field, inner) ?? {};
      if (name === undefined) visit(inner);
      else found.set(name, new Set([...(found.get(name) ?? []), ...(key ? [key] : [])]));
    }
  };
  objects.forEach(visit);
  return found;
}

/** Of containers (`secretKeyRef`, `secretRef`), volumes (`secret`), and Knative's KafkaSink. */
function referenceIn(field: string, value: unknown): { name?: string; key?: string } | undefined {
  if (!['secretKeyRef', 'secretRef', 'secret'].includes(field)) return undefined;
  const { name, secretName, key, optional, ref } = (value ?? {}) as Fields;
  if (optional === true) return undefined;
  const named = name ?? secretName ?? (ref as Fields | undefined)?.['name'];
  if (typeof named !== 'string') return undefined;
  return { name: named, ...(typeof key === 'string' ? { key } : {}) };
}

/** Those that nobody makes: whether they are there, with the keys that are asked for. */
export async function lookForOthers(
  kube: Kube,
  references: SecretReferences,
  known: readonly SecretResult[],
): Promise<SecretResult[]> {
  const results: SecretResult[] = [];
  for (const [name, keys] of references) {
    if (known.some((one) => one.name === name)) continue;
    const there = await readSecret(kube, name);
    const lacks = [...keys].filter((key) => there?.has(key) !== true);
    results.push({ name, result: there ? 'kept' : 'missing', lacks });
  }
  return results;
}
