// Tables for people: columns as wide as their widest cell, on a terminal, in any script.

import { stripVTControlCharacters } from 'node:util';

/** Characters that take two columns: Chinese, Japanese, Korean and full-width forms. */
const wide =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]|\p{Emoji_Presentation}/u;
const segmenter = new Intl.Segmenter();

/** A table with its header, each line ended. The last column is not padded. */
export function table(
  header: readonly string[],
  rows: readonly (readonly (string | number)[])[],
): string {
  const cells = [header, ...rows.map((row) => row.map((cell) => printable(String(cell))))];
  const widths = header.map((_, at) => Math.max(...cells.map((row) => widthOf(row[at] ?? ''))));
  return cells
    .map((row) => row.map((cell, at) => pad(cell, at < row.length - 1 ? (widths[at] ?? 0) : 0)))
    .map((row) => `${row.join('   ').trimEnd()}\n`)
    .join('');
}

/** Names and their values below each other. */
export function list(
  entries: readonly (readonly [name: string, value: string | number])[],
): string {
  const width = Math.max(...entries.map(([name]) => widthOf(name)));
  return entries
    .map(([name, value]) => `${pad(name, width)}   ${printable(String(value))}\n`)
    .join('');
}

/** What a server said, without what would control the terminal. */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(/\p{Cc}/gu, ' ');
}

/** Columns of a terminal that the text takes. */
export function widthOf(text: string): number {
  const characters = [...segmenter.segment(text)];
  return characters.reduce((width, { segment }) => width + (wide.test(segment) ? 2 : 1), 0);
}

export function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

/** As much of the text as fits into these columns; what is missing is marked by `…`. */
export function cut(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let kept = '';
  let width = 1;
  for (const { segment } of segmenter.segment(text)) {
    width += widthOf(segment);
    if (width > columns) break;
    kept += segment;
  }
  return columns < 1 ? '' : `${kept}…`;
}
