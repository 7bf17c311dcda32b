// Renders an overlay as `kubectl apply -k` would.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import type { Manifest } from './manifest.ts';

const knativeFolder = resolve(import.meta.dirname, '..');

/** Every overlay there is, by name. */
export const overlays: readonly string[] = readdirSync(join(knativeFolder, 'overlays')).filter(
  (name) => existsSync(join(knativeFolder, 'overlays', name, 'kustomization.yaml')),
);

export const overlayFolder = (overlay: string) => join(knativeFolder, 'overlays', overlay);

/** What kustomize makes of a folder; throws an Error with its message where it can't. */
export function render(folder: string): readonly Manifest[] {
  const text = kustomize(folder);
  return parseAllDocuments(text).map((document) => document.toJS() as Manifest);
}

function kustomize(folder: string): string {
  try {
    return execFileSync('kubectl', ['kustomize', folder], {
      encoding: 'utf8',
      maxBuffer: 64 * 1_024 * 1_024,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    const { code, stderr } = error as { code?: string; stderr?: string };
    if (code === 'ENOENT') {
      throw new Error(
        'kubectl is not there, which renders the manifests. What to do: install it ' +
          '(https://kubernetes.io/docs/tasks/tools/, or the package kubernetes-client of Debian)',
      );
    }
    throw new Error(`${folder} cannot be rendered: ${stderr ?? String(error)}`);
  }
}
