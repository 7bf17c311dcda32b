// What `npm run bench` is asked for.

import { parseArgs } from 'node:util';
import { functionNames } from '../build.ts';
import { wholeNumber } from '../whole-number.ts';
import { growthNames } from './growth-names.ts';

export const names = [
  'do-nothing',
  'accept',
  'accept-with-sinks',
  'accept-traced',
  'accept-purchase-only',
  'accept-2-instances',
  'accept-3-instances',
  'lock-wait',
  'accept-10-products',
  'accept-100-products',
  'accept-1m-units',
  'sold-out',
  'rate-limited',
  'limit-exactness',
  'persist',
  'backlog',
  'board-delay',
  'row-delay',
  'hostile-clients',
  'refusals-memory',
  'memory-after-sale',
  ...functionNames.map((name) => `ready-${name}` as const),
  ...growthNames,
] as const;
export type Name = (typeof names)[number];

/** Takes minutes: measured only by its name, or with `--growth`. */
const onlyByName: ReadonlySet<Name> = new Set(['refusals-memory', ...growthNames]);
const usual = names.filter((name) => !onlyByName.has(name));

export interface Options {
  /** Where the JSON goes, if anywhere. */
  readonly out: string | undefined;
  readonly only: readonly Name[];
  readonly connections: number;
  /** Of each measurement, after its warm-up. */
  readonly seconds: number;
  /** Of the one that takes minutes. */
  readonly longSeconds: number;
  /** How often a measurement is repeated, a reference before and after each. */
  readonly rounds: number;
  /** Where the CPU profiles of the functions and the source runner go, if anywhere. */
  readonly cpuProf: string | undefined;
}

export const usage = `Usage: npm run bench -- [--out FILE] [--only NAME,…] [--connections N]
         [--seconds N] [--rounds N] [--cpu-prof FOLDER] [--growth]
--growth: how the cost grows, with connections, rate, products, stock and instances.
Names: ${names.join(', ')}`;

/** Throws where something else is asked for. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      out: { type: 'string' },
      only: { type: 'string' },
      growth: { type: 'boolean', default: false },
      connections: { type: 'string', default: '256' },
      seconds: { type: 'string' },
      rounds: { type: 'string', default: '1' },
      'cpu-prof': { type: 'string' },
    },
  });
  return {
    out: values.out,
    only: values.only?.split(',').map(nameOf) ?? (values.growth ? growthNames : usual),
    connections: wholeNumber('connections', values.connections, 1, 999_999),
    seconds: wholeNumber('seconds', values.seconds ?? '5', 1, 999_999),
    longSeconds: wholeNumber('seconds', values.seconds ?? '300', 1, 999_999),
    rounds: wholeNumber('rounds', values.rounds, 1, 999_999),
    cpuProf: values['cpu-prof'],
  };
}

function nameOf(text: string): Name {
  const name = names.find((one) => one === text);
  if (name === undefined) throw new Error(`--only: there is no ${text}`);
  return name;
}
