// The names of the shipped Lua files by their digest and by their text.

import { createHash } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';

const root = join(import.meta.dirname, '../../..');
const names = new Map<string, string>();
for (const file of globSync('lib/*/*.lua', { cwd: root })) {
  const text = readFileSync(join(root, file), 'utf8');
  const name = basename(file).replace(/-(\d+|n)\.lua$/, '');
  names.set(text, name);
  names.set(createHash('sha1').update(text).digest('hex'), name);
}

/** `sell` for lib/sale/sell-N.lua, given as its digest or as its text. */
export function nameOfScript(digestOrText: string): string {
  return names.get(digestOrText) ?? 'script';
}
