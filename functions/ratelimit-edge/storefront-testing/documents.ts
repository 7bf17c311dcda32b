// The page as it is deployed, for tests that serve it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildFunction } from '#knative/local/build.ts';
import { type Documents, loadDocuments } from '../documents.ts';

/** Builds the page and reads it. */
export async function buildDocuments(): Promise<Documents> {
  const folder = mkdtempSync(join(tmpdir(), 'seckill-storefront-'));
  await buildFunction('ratelimit-edge', folder);
  const documents = loadDocuments(join(folder, 'storefront'));
  rmSync(folder, { recursive: true });
  return documents;
}
