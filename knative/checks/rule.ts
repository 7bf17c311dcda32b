// One rule of the manifests: what it asks, why, and who breaks it.

import type { Manifest } from './manifest.ts';

export interface Rule {
  /** What is asked, as a sentence; tests name what they break by it. */
  readonly name: string;
  /** One line for each place that breaks it, with the object's title and what to do. */
  readonly check: (manifests: readonly Manifest[]) => readonly string[];
}
