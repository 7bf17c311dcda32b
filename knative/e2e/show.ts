// A finding as people read it: one line per figure, and what is wrong last.

import type { Finding } from './stage.ts';

export function showFinding({ scenario, ok, figures, problems }: Finding): string {
  const width = Math.max(...Object.keys(figures).map((name) => name.length), 0);
  const lines = Object.entries(figures).map(
    ([name, value]) => `  ${name.padEnd(width)}  ${shown(value)}`,
  );
  const wrong = problems.map((problem) => `  ✗ ${problem}`);
  return [`${scenario}: ${ok ? 'ok' : 'NOT OK'}`, ...lines, ...wrong, ''].join('\n');
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.map(shown).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([name, one]) =>
    typeof one === 'object' ? `${name} (${shown(one)})` : `${name} ${shown(one)}`,
  );
  return parts.join(', ') || 'none';
}
