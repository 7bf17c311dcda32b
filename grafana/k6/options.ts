// What `npm run load` is asked for.

import { parseArgs } from 'node:util';
import { wholeNumber } from '#knative/local/whole-number.ts';
import { type Overrides, planOf, type ScenarioName, scenarioNames } from './plans.ts';

export interface Options extends Overrides {
  readonly scenario: ScenarioName;
  readonly json: boolean;
  /** Where the log of answers and k6's summary are kept; else only those of a failed run are. */
  readonly out: string | undefined;
}

const width = Math.max(...scenarioNames.map((name) => name.length));
const scenarioLines = scenarioNames.map((name) => `  ${name.padEnd(width)}  ${planOf(name).about}`);

export const usage = `Usage: npm run load -- SCENARIO [options]

Lets k6 buy from the system that runs here (npm start), or at SECKILL_URL, over the public HTTP;
then holds what the clients were told against the rows, and asks kn-seckill verify.

Scenarios
${scenarioLines.join('\n')}

Options
  --rate N           requests a second instead of the scenario's own
  --seconds N        how long it is kept
  --virtual-users N  of k6
  --out FOLDER       keep the clients' log and k6's summary
  -o json            one JSON document instead of the table
  --help

Exit status 0: everything is as it should be; 1: a threshold, a promise or verify failed (what
depends on the machine is named so); 2: it could not begin; 130: ended by Ctrl-C.`;

/** Undefined where help is asked for. Throws where something else is. */
export function readOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rate: { type: 'string' },
      seconds: { type: 'string' },
      'virtual-users': { type: 'string' },
      out: { type: 'string' },
      output: { type: 'string', short: 'o', default: 'table' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const [name, ...others] = positionals;
  if (values.help || (name === undefined && args.length === 0)) return undefined;
  const scenario = scenarioNames.find((one) => one === name);
  if (scenario === undefined || others.length > 0) {
    throw new Error(`Name one scenario of ${scenarioNames.join(', ')}`);
  }
  if (!['table', 'json'].includes(values.output)) throw new Error('--output: table or json');
  return {
    scenario,
    perSecond: givenNumber('rate', values.rate),
    seconds: givenNumber('seconds', values.seconds),
    virtualUsers: givenNumber('virtual-users', values['virtual-users']),
    json: values.output === 'json',
    out: values.out,
  };
}

function givenNumber(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return wholeNumber(option, text, 1, 99_999);
}
