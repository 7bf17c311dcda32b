// What an overlay consists of, as `kubectl kustomize` renders it, in an order in which nothing
// waits for what comes after it.

import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { parseAllDocuments } from 'yaml';
import { CliError, usageError } from '../exit.ts';
import type { KubeObject } from '../kube/client.ts';

const overlaysFolder = resolve(import.meta.dirname, '../../overlays');
const run = promisify(execFile);
const outputBytesMax = 64 * 1_024 * 1_024;

/** What others need is made first; what is not named here, before the workloads. */
const order = [
  ['Namespace', 'CustomResourceDefinition'],
  ['ServiceAccount', 'Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'],
  ['ConfigMap', 'Secret'],
  [],
  ['StatefulSet', 'Deployment'],
  ['Job', 'CronJob'],
  ['Service serving.knative.dev/v1'],
  ['KafkaSink', 'KafkaSource'],
] as const satisfies readonly (readonly string[])[];
const unnamed = order.findIndex((kinds) => kinds.length === 0);

/** An overlay of this repository by its name, or any folder with a kustomization. */
export function overlayFolder(given: string): string {
  const own = join(overlaysFolder, given);
  const folder = /^[\w-]+$/.test(given) && existsSync(own) ? own : resolve(given);
  if (existsSync(join(folder, 'kustomization.yaml'))) return folder;
  throw usageError(
    `there is no overlay ${given}: three-node, dev, bring-your-own, or a folder with a ` +
      'kustomization.yaml',
  );
}

/** The objects of a folder, in order. Throws CliError where kubectl cannot render it. */
export async function renderOverlay(folder: string): Promise<KubeObject[]> {
  const text = await kustomize(folder);
  const objects = parseAllDocuments(text)
    .map((document) => document.toJS() as KubeObject | null)
    .filter((object) => object !== null);
  return objects.toSorted((a, b) => rankOf(a) - rankOf(b));
}

function rankOf({ kind, apiVersion }: KubeObject): number {
  const names: readonly string[] = [kind, `${kind} ${apiVersion}`];
  // Kubernetes has a kind Service of its own, which nothing waits for.
  const rank = order.findIndex((kinds: readonly string[]) =>
    kinds.some((name) => names.includes(name)),
  );
  return rank === -1 ? unnamed : rank;
}

async function kustomize(folder: string): Promise<string> {
  try {
    const { stdout } = await run('kubectl', ['kustomize', folder], { maxBuffer: outputBytesMax });
    return stdout;
  } catch (error) {
    const { code, stderr } = error as { code?: unknown; stderr?: string };
    if (code === 'ENOENT') {
      throw new CliError(
        'kubectl is not there, which renders the manifests: install it ' +
          '(https://kubernetes.io/docs/tasks/tools/)',
      );
    }
    throw new CliError(`${folder} cannot be rendered: ${(stderr ?? String(error)).trim()}`);
  }
}
