// Brings the system up: one `kubectl apply -k`, as the guide says, and waiting until it is there;
// where no KafkaSource is delivered, the source runner as a pod besides.

import { join, resolve } from 'node:path';
import { parseAllDocuments, stringify } from 'yaml';
import { z } from 'zod';
import type { Cluster } from './cluster.ts';
import { serviceNames } from './cluster.ts';
import { output } from './run.ts';
import type { Stage } from './stage.ts';

const root = resolve(import.meta.dirname, '../..');
/** Stores start, are prepared and migrated, before the functions can be ready. */
const readyWithinMs = 900_000;

type Waiting = Pick<Stage, 'cluster' | 'until' | 'say'>;

/** Applies an overlay; rejects where it is not ready in time, with what is missing. */
export async function install(overlay: string, { cluster, until, say }: Waiting): Promise<void> {
  const folder = resolve(root, overlay);
  const args = ['apply', '--server-side', '--force-conflicts', '-k', folder];
  const { status, stderr } = await cluster.kubectl(args);
  if (status !== 0) throw new Error(`kubectl apply -k ${overlay}: ${stderr.trim()}`);
  let missing = '';
  const found = await until(readyWithinMs, async () => {
    const services = await cluster.services();
    const waiting = services.filter(({ isReady }) => !isReady);
    const now = waiting.map(({ name, why }) => `${name} (${why})`).join(', ');
    if (now !== missing && now !== '') say(`waiting for ${now}`);
    missing = now;
    return (services.length === serviceNames.length && waiting.length === 0) || undefined;
  });
  if (found === undefined) throw new Error(`not ready: ${missing}`);
}

const serviceShape = z.object({
  spec: z.object({
    template: z.object({
      spec: z.object({
        containers: z.array(
          z.object({
            envFrom: z
              .array(z.object({ configMapRef: z.object({ name: z.string() }).optional() }))
              .default([]),
          }),
        ),
      }),
    }),
  }),
});

/** Deploys the source runner with the sources of this checkout, and the environment of `purchase`. */
export async function installSourceRunner(
  { cluster, until }: Pick<Stage, 'cluster' | 'until'>,
  namespace: string,
): Promise<void> {
  const folder = join(root, 'knative/e2e/source-runner');
  // The sources lie beside the folder, not in it; kustomize wants to be told.
  const rendered = await output('kubectl', [
    ...['kustomize', '--load-restrictor', 'LoadRestrictionsNone', folder],
  ]);
  const manifests = withEnvironment(rendered, await environmentOf(cluster), namespace);
  const args = ['apply', '--server-side', '--force-conflicts', '-f', '-'];
  const { status, stderr } = await cluster.kubectl(args, manifests);
  if (status !== 0) throw new Error(`the source runner: ${stderr.trim()}`);
  const found = await until(readyWithinMs, async () => {
    const { status: done } = await cluster.kubectl([
      ...['rollout', 'status', 'deployment/source-runner', '--timeout=5s'],
    ]);
    return done === 0 || undefined;
  });
  if (found === undefined) throw new Error('the source runner is not ready: see its log');
}

/** The ConfigMap, whose name carries a hash of what is in it, that `purchase` has now. */
async function environmentOf(cluster: Cluster): Promise<string> {
  const found = await cluster.find(['services.serving.knative.dev', 'purchase']);
  const parsed = serviceShape.safeParse(found);
  const sources = parsed.data?.spec.template.spec.containers.flatMap(({ envFrom }) => envFrom);
  const name = sources?.find(({ configMapRef }) => configMapRef !== undefined)?.configMapRef?.name;
  if (name === undefined) throw new Error('the Service purchase names no ConfigMap to take over');
  return name;
}

/** What kustomize has rendered, with the name of the ConfigMap and the namespace put in. */
export function withEnvironment(rendered: string, configMap: string, namespace: string): string {
  const documents = parseAllDocuments(rendered).map((document) => {
    document.setIn(['metadata', 'namespace'], namespace);
    return document.toJS() as unknown;
  });
  const text = documents.map((document) => stringify(document)).join('---\n');
  return text.replaceAll(/name: seckill-environment\b/g, `name: ${configMap}`);
}
