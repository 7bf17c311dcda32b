// The losses as people read them, a line each.

import type { Lost } from './lose.ts';

const header = ['lost', 'process', 'nobody bought for', 'worst buyer', 'back after', 'answers'];

export function tableOf(lost: readonly Lost[]): string {
  const rows = [header, ...lost.map(rowOf)];
  const widths = header.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
  return lines.join('\n');
}

function rowOf({ what, name, interruptedMs, worstMs, backAfterMs, unclean }: Lost): string[] {
  const answers = Object.entries(unclean).map(([answer, count]) => `${count} × ${answer}`);
  return [
    ...[what, name, seconds(interruptedMs), seconds(worstMs), seconds(backAfterMs)],
    answers.join(', ') || 'none but the right ones',
  ];
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
