// One screen of a terminal, drawn again in place. It has the terminal's other screen, so that what
// was there before comes back afterwards; the last view is left below it.

import type { Line, Tone } from './view.ts';

export interface Screen {
  draw(lines: readonly Line[]): void;
  /** Gives the terminal back, with the last view on it. */
  close(): void;
}

const enter = '\x1b[?1049h\x1b[?25l';
const leave = '\x1b[?25h\x1b[?1049l';
const home = '\x1b[H';
const endOfLine = '\x1b[K';
const below = '\x1b[J';

const tones: Readonly<Record<Tone, string>> = { strong: '1', quiet: '2', alarm: '1;31' };

/** A line as it is printed; without colours nothing but its text. */
export function paint({ text, tone }: Line, hasColors: boolean): string {
  return tone !== undefined && hasColors ? `\x1b[${tones[tone]}m${text}\x1b[0m` : text;
}

export function openScreen(out: (text: string) => void, hasColors: boolean): Screen {
  let last: readonly string[] = [];
  out(enter);
  return {
    draw(lines) {
      last = lines.map((line) => paint(line, hasColors));
      // No line end after the last one: on a full screen it would scroll.
      out(`${home}${last.map((line) => `${line}${endOfLine}`).join('\r\n')}${below}`);
    },
    close() {
      out(leave);
      if (last.length > 0) out(`${last.join('\n')}\n`);
    },
  };
}
