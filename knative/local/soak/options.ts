// What `npm run soak` is asked for.

import { parseArgs } from 'node:util';
import { type Nodes, nodesOf } from '../topology.ts';
import { wholeNumber } from '../whole-number.ts';

export interface Options {
  readonly minutes: number;
  /** Purchases begun in a second, whatever becomes of the earlier ones. */
  readonly rate: number;
  readonly nodes: Nodes;
  /** From the beginning of one fault to that of the next; 0: none. */
  readonly faultEverySeconds: number;
  readonly seed: number;
  readonly json: boolean;
  /** Where the figures go as JSON, if anywhere. */
  readonly out: string | undefined;
  /** Where every sample goes, a line each, if anywhere. */
  readonly samples: string | undefined;
}

export const usage = `Usage: npm run soak -- [options]

Runs the whole system in a folder of its own, sells at a steady rate, one sale after the other,
has a process killed or frozen every minute, and looks at what every process holds. Afterwards each
sale is verified and held against what the clients were told.

  --minutes N       how long it sells (30)
  --rate N          purchases begun in a second (500)
  --nodes 1|3       as npm start has them (1)
  --fault-every N   seconds from one fault to the next; 0: none (60)
  --seed N          which faults, and in which order (1)
  --out FILE        the figures, as JSON
  --samples FILE    every sample, a line of JSON each
  -o json           the figures on standard output instead of the report
  --help

Exit status 0: every promise was kept, and nothing grows; 1: that is not so; 2: it could not begin;
130: ended by Ctrl-C.`;

const rateMax = 5_000;
const minutesMax = 24 * 60;

/** Undefined where help is asked for. Throws where something else is. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      minutes: { type: 'string', default: '30' },
      rate: { type: 'string', default: '500' },
      nodes: { type: 'string', default: '1' },
      'fault-every': { type: 'string', default: '60' },
      seed: { type: 'string', default: '1' },
      out: { type: 'string' },
      samples: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  const nodes = nodesOf(values.nodes);
  if (nodes === undefined) throw new Error('--nodes: there are 1 or 3');
  if (!['table', 'json'].includes(values.output)) throw new Error('--output: table or json');
  return {
    minutes: wholeNumber('minutes', values.minutes, 1, minutesMax),
    rate: wholeNumber('rate', values.rate, 1, rateMax),
    nodes,
    faultEverySeconds: wholeNumber('fault-every', values['fault-every'], 0, minutesMax * 60),
    seed: wholeNumber('seed', values.seed, 0, 2 ** 32 - 1),
    json: values.output === 'json',
    ...{ out: values.out, samples: values.samples },
  };
}
