// What `npm run test:nodes` is asked for.

import { parseArgs } from 'node:util';
import { wholeNumber } from '../whole-number.ts';
import { allLosses, type Meant } from './losses.ts';

export interface Options {
  readonly isMeant: Meant;
  /** Purchases that begin in every second while something is lost. */
  readonly rate: number;
  /** Who buy at once before that. */
  readonly buyers: number;
  readonly json: boolean;
  /** Where the report goes as JSON, if anywhere. */
  readonly out: string | undefined;
}

const losses = allLosses([], '').map(({ what }) => what);

export const usage = `Usage: npm run test:nodes -- [options]

A sale on three nodes of this machine. First a crowd buys; then, while purchases begin steadily, one
process after the other is killed with -9.

Options
  --only TEXT,…  only the losses whose name contains one of the texts
  --rate N       purchases that begin in every second (20)
  --buyers N     of the crowd (300)
  --out FILE     the report as JSON, too
  -o json        one JSON document instead of the table
  --help

Losses
${losses.map((what) => `  ${what}`).join('\n')}

Exit status 0: nothing was lost, and no loss kept everybody from buying for longer than it may;
1: that is not so; 2: it could not begin; 130: ended by Ctrl-C.`;

/** Undefined where help is asked for. Throws where something else is. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string', default: '' },
      rate: { type: 'string', default: '20' },
      buyers: { type: 'string', default: '300' },
      out: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  if (!['table', 'json'].includes(values.output)) throw new Error('--output: table or json');
  return {
    isMeant: meantBy(values.only),
    rate: wholeNumber('rate', values.rate, 1, 9_999),
    buyers: wholeNumber('buyers', values.buyers, 1, 9_999),
    json: values.output === 'json',
    out: values.out,
  };
}

function meantBy(only: string): Meant {
  const texts = only
    .split(',')
    .map((text) => text.trim().toLowerCase())
    .filter((text) => text !== '');
  const contains = (what: string, text: string) => what.toLowerCase().includes(text);
  const unknown = texts.find((text) => !losses.some((what) => contains(what, text)));
  if (unknown !== undefined) throw new Error(`--only: nothing that is lost is called ${unknown}`);
  return (what) => texts.length === 0 || texts.some((text) => contains(what, text));
}
