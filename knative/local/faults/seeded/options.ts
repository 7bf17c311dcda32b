// What `npm run faults` is asked for.

import { parseArgs } from 'node:util';
import { type Nodes, nodesOf } from '../../topology.ts';
import { wholeNumber } from '../../whole-number.ts';
import { allKinds, type FaultKind, factsOf } from './kinds.ts';

export interface Options {
  readonly seeds: readonly number[];
  readonly nodes: Nodes;
  readonly kinds: readonly FaultKind[];
  readonly seconds: number;
  readonly log: string;
  readonly json: boolean;
  /** A system serves so many runs. */
  readonly renew: number;
  /** A log to make a table of, and nothing else. */
  readonly table: string | undefined;
}

const logByDefault = '.seckill/faults.jsonl';
const width = Math.max(...allKinds.map((kind) => kind.length));
const kindLines = allKinds.map((kind) => `  ${kind.padEnd(width)}  ${factsOf(kind).about}`);

export const usage = `npm run faults [-- --seeds 1-20 | --seed N] [options]

Seeded faults in the middle of a sale, on a system of its own. Each seed stands for a plan: buyers
who ask with one key until they know, and one fault or two. When everything is well again the sale
is closed, and what buyers were told is held against the rows and against kn-seckill verify.

  --seeds A-B    these, one after the other (1-20)
  --seed N       this one
  --nodes 1|3    of how many nodes the system is (3)
  --only KIND,…  only faults of these kinds
  --seconds N    buyers come for at least so long (6)
  --renew N      start the system anew after so many runs (25), and after each that failed
  --log FILE     a line of JSON is added for each run (${logByDefault})
  --table FILE   a table of what a log tells, and no runs
  -o json        the lines on standard output, too
  --help

Kinds
${kindLines.join('\n')}

Exit status 0: every promise was kept; 1: one was broken; 2: it could not begin; 130: Ctrl-C.
`;

/** Undefined where help is asked for. Throws where something else is. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...args],
    options: {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      nodes: { type: 'string', default: '3' },
      only: { type: 'string' },
      seconds: { type: 'string', default: '6' },
      renew: { type: 'string', default: '25' },
      log: { type: 'string', default: logByDefault },
      table: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'text' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return undefined;
  if (values.seed !== undefined && values.seeds !== undefined) {
    throw new Error('--seed and --seeds: one of them');
  }
  if (!['text', 'json'].includes(values.output)) throw new Error('--output: text or json');
  const nodes = nodesOf(values.nodes);
  if (nodes === undefined) throw new Error(`--nodes ${values.nodes}: there are 1 or 3`);
  return {
    seeds: seedsIn(values.seed ?? values.seeds ?? '1-20'),
    nodes,
    kinds: values.only === undefined ? allKinds : values.only.split(',').map(kindOf),
    seconds: wholeNumber('seconds', values.seconds, 1, 9_999),
    renew: wholeNumber('renew', values.renew, 1, 9_999),
    log: values.log,
    json: values.output === 'json',
    table: values.table,
  };
}

/** `17`, or `1-200`. */
function seedsIn(text: string): number[] {
  const [, first, last = first] = /^([1-9]\d{0,8})(?:-([1-9]\d{0,8}))?$/.exec(text) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || to < from) throw new Error(`${text}: seeds are 17, or 1-200`);
  return Array.from({ length: to - from + 1 }, (_, at) => from + at);
}

function kindOf(text: string): FaultKind {
  const found = allKinds.find((kind) => kind === text);
  if (found === undefined) throw new Error(`--only: ${text} is none of ${allKinds.join(', ')}`);
  return found;
}

/** What has one run again; `kinds` are those that its plan was drawn from. */
export function commandOf(
  seed: number,
  { nodes, kinds, seconds }: Pick<Options, 'nodes' | 'kinds' | 'seconds'>,
): string {
  const only = kinds.length === allKinds.length ? '' : ` --only ${kinds.join(',')}`;
  return `npm run faults -- --seed ${seed} --nodes ${nodes} --seconds ${seconds}${only}`;
}
