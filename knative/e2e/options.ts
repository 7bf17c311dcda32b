// What `npm run test:knative` is asked for.

import { parseArgs } from 'node:util';
import { wholeNumber } from '#knative/local/whole-number.ts';

export const scenarioNames = [
  'from-zero',
  'orders',
  'spread',
  'warm',
  'rolling-update',
  'node-loss',
] as const;
export type ScenarioName = (typeof scenarioNames)[number];

export interface Options {
  readonly only: readonly ScenarioName[];
  /** A kustomize folder that is applied before anything is tried; nothing is where it is absent. */
  readonly install: string | undefined;
  /** Whether the source runner is deployed as a pod; `auto`: where no KafkaSource is delivered. */
  readonly sourceRunner: 'auto' | 'yes' | 'no';
  readonly namespace: string;
  readonly context: string | undefined;
  /** Where requests go, with the route's Host header; the route's own address where empty. */
  readonly gateways: readonly string[];
  readonly json: boolean;
  /** How often the system is started from zero. */
  readonly tries: number;
  /** What is bought by the scenario `orders`. */
  readonly orders: number;
  /** Purchases begun in a second while something is done to the system. */
  readonly perSecond: number;
  /** Buyers who wait at the same time, so that there is work for more than one instance. */
  readonly crowd: number;
  /** Instances of each Service that `scale warm` is asked for. */
  readonly warm: number;
  /** Shell commands; `{node}` is the node's name. */
  readonly killNode: string | undefined;
  readonly startNode: string | undefined;
  /** The node that is killed; the one with most of the instances where it is absent. */
  readonly node: string | undefined;
  /** Where what the clients were told is kept. */
  readonly out: string | undefined;
}

export const usage = `Usage: npm run test:knative -- [options]
  --only NAME,…          ${scenarioNames.join(', ')}
  --install OVERLAY      kubectl apply -k OVERLAY first, and wait for it
  --source-runner WHEN   deploy it as a pod: auto (where no KafkaSource is delivered), yes, no
  -n, --namespace NAME   where the system is (seckill)
  --context NAME         of the kubeconfig
  --gateway URL,…        send requests there, with the route's Host header (or SECKILL_GATEWAY)
  --tries N              starts from zero (5)
  --orders N             orders that are bought in one go (1000)
  --per-second N         purchases while something is done to the system (40)
  --crowd N              buyers who wait at the same time (300)
  --warm N               instances that \`scale warm\` is asked for (3)
  --kill-node 'CMD {node}'  how a node is killed; without it node-loss is left out
  --start-node 'CMD {node}' how it is started again
  --node NAME            which one (else the one with most of the instances)
  --out FOLDER           keep what the clients were told
  -o json                one JSON document at the end`;

/** Throws where something else is asked for. */
export function readOptions(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: 'string' },
      install: { type: 'string' },
      'source-runner': { type: 'string', default: 'auto' },
      namespace: { type: 'string', short: 'n', default: 'seckill' },
      context: { type: 'string' },
      gateway: { type: 'string', default: env['SECKILL_GATEWAY'] ?? '' },
      output: { type: 'string', short: 'o', default: 'table' },
      tries: { type: 'string', default: '5' },
      orders: { type: 'string', default: '1000' },
      'per-second': { type: 'string', default: '40' },
      crowd: { type: 'string', default: '300' },
      warm: { type: 'string', default: '3' },
      'kill-node': { type: 'string' },
      'start-node': { type: 'string' },
      node: { type: 'string' },
      out: { type: 'string' },
    },
  });
  return {
    only: namesIn(values.only, values['kill-node']),
    install: values.install,
    sourceRunner: oneOf('source-runner', values['source-runner'], ['auto', 'yes', 'no']),
    namespace: values.namespace,
    context: values.context,
    gateways: values.gateway.split(',').filter(Boolean).map(gatewayOf),
    json: oneOf('output', values.output, ['table', 'json']) === 'json',
    tries: wholeNumber('tries', values.tries, 1, 999_999),
    orders: wholeNumber('orders', values.orders, 1, 999_999),
    perSecond: wholeNumber('per-second', values['per-second'], 1, 999_999),
    crowd: wholeNumber('crowd', values.crowd, 1, 999_999),
    warm: wholeNumber('warm', values.warm, 1, 999_999),
    killNode: commandOf('kill-node', values['kill-node']),
    startNode: commandOf('start-node', values['start-node']),
    node: values.node,
    out: values.out,
  };
}

/** All of them where none is named, but for the one that needs to be told how. */
function namesIn(text: string | undefined, killNode: string | undefined): ScenarioName[] {
  if (text === undefined) {
    return scenarioNames.filter((name) => name !== 'node-loss' || killNode !== undefined);
  }
  const names = text.split(',').map((name) => oneOf('only', name, scenarioNames));
  if (names.includes('node-loss') && killNode === undefined) {
    throw new Error('--only: node-loss needs --kill-node, which says how a node is killed');
  }
  return scenarioNames.filter((name) => names.includes(name));
}

function oneOf<Value extends string>(
  option: string,
  text: string,
  values: readonly Value[],
): Value {
  const found = values.find((value) => value === text);
  if (found === undefined) throw new Error(`--${option}: ${text} is none of ${values.join(', ')}`);
  return found;
}

function gatewayOf(text: string): string {
  const { protocol } = URL.canParse(text) ? new URL(text) : { protocol: '' };
  if (protocol === 'http:' || protocol === 'https:') return text.replace(/\/+$/, '');
  throw new Error(`--gateway: ${text} is no address like http://10.0.0.1:31080`);
}

function commandOf(option: string, text: string | undefined): string | undefined {
  if (text === undefined || text.includes('{node}')) return text;
  throw new Error(`--${option}: it has no {node}, so it would not know which`);
}
