// The shipped Lua files, and their names by their digest and by their text.

import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '../../..');

/** Every one of them, by its path from the root. */
export const shippedScripts: readonly { readonly file: string; readonly text: string }[] = globSync(
  'lib/**/*.lua',
  { cwd: root },
).map((file) => ({ file, text: readFileSync(join(root, file), 'utf8') }));

const names = new Map<string, string>();
for (const { file, text } of shippedScripts) {
  const name = basename(file).replace(/-(\d+|n)\.lua$/, '');
  names.set(text, name);
  names.set(createHash('sha1').update(text).digest('hex'), name);
}

/** `sell` for lib/sale/sell-N.lua, given as its digest or as its text. */
export function nameOfScript(digestOrText: string): string {
  return names.get(digestOrText) ?? 'script';
}
