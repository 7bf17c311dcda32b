// The end of a log, for messages that say why something failed.

import { readFileSync } from 'node:fs';

const linesShown = 15;

/** The last lines of a file, indented; says so where there are none. */
export function lastLines(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8').trimEnd();
  } catch {
    text = '';
  }
  if (text === '') return '  | (nothing)';
  return text
    .split('\n')
    .slice(-linesShown)
    .map((line) => `  | ${line}`)
    .join('\n');
}
