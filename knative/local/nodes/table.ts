// The losses as people read them: a table of Markdown, aligned to be read as it is, too.

import type { Lost } from './lose.ts';

const header = ['lost', 'process', 'nobody bought for', 'worst buyer', 'back after', 'answers'];

export function tableOf(lost: readonly Lost[]): string {
  const rows = [header, ...lost.map(rowOf)];
  const widths = header.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const [first, ...lines] = rows.map((row) =>
    lineOf(row.map((cell, column) => cell.padEnd(widths[column] ?? 0))),
  );
  return [first, lineOf(widths.map((width) => '-'.repeat(width))), ...lines].join('\n');
}

function lineOf(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
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
