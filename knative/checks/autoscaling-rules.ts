// How functions scale: the annotations as Knative's webhook would take them, and the values that
// make a source's few requests and a sale's many bring instances.

import { consumerGroups } from '#lib/names.ts';
import { type FunctionManifest, isFunction, type Manifest, titleOf } from './manifest.ts';
import type { Rule } from './rule.ts';

const prefix = 'autoscaling.knative.dev/';
/** A dispatcher of KafkaSource, unordered, has 50 to 99 events in flight. */
const dispatcherInFlightMax = 99;
/** Knative's `target-utilization-percentage` by default. */
const utilization = 0.7;

const number =
  (min: number, max = Number.POSITIVE_INFINITY) =>
  (value: string) =>
    /^-?\d+(\.\d+)?$/.test(value) && Number(value) >= min && Number(value) <= max;
const whole = (min: number) => (value: string) => /^-?\d+$/.test(value) && Number(value) >= min;
const seconds = (min: number, max: number) => (value: string) =>
  /^\d+s$/.test(value) && Number.parseInt(value, 10) >= min && Number.parseInt(value, 10) <= max;

/** What the webhook takes, of the annotations that are used; durations in whole seconds. */
const values: Readonly<Record<string, (value: string) => boolean>> = {
  class: (value) => value === 'kpa.autoscaling.knative.dev',
  metric: (value) => value === 'concurrency' || value === 'rps',
  target: number(0.01),
  'target-utilization-percentage': number(1, 100),
  'target-burst-capacity': (value) => value === '-1' || number(0)(value),
  'min-scale': whole(0),
  'max-scale': whole(1),
  'initial-scale': whole(1),
  'scale-down-delay': seconds(0, 3_600),
  window: seconds(6, 3_600),
  'panic-window-percentage': number(1, 100),
  'panic-threshold-percentage': number(110, 1_000),
  'scale-to-zero-pod-retention-period': seconds(0, 3_600),
};

/** A function's autoscaling annotations by their names without the prefix. */
export function scalingOf({ spec }: FunctionManifest): Readonly<Record<string, string>> {
  const annotations = Object.entries(spec.template.metadata?.annotations ?? {});
  return Object.fromEntries(
    annotations
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, value]) => [name.slice(prefix.length), value]),
  );
}

/** For every function: the problem, or undefined. */
const ofFunctions =
  (problem: (service: FunctionManifest) => string | undefined) =>
  (manifests: readonly Manifest[]): readonly string[] =>
    manifests.filter(isFunction).flatMap((service) => {
      const found = problem(service);
      return found === undefined ? [] : [`${titleOf(service)}: ${found}`];
    });

export const autoscalingRules: readonly Rule[] = [
  {
    name: 'autoscaling annotations are on the template',
    check: ofFunctions(({ metadata }) => {
      const misplaced = Object.keys({ ...metadata.annotations, ...metadata.labels }).filter(
        (name) => name.startsWith(prefix),
      );
      if (misplaced.length === 0) return undefined;
      return `${misplaced.join(', ')} must be under spec.template.metadata.annotations`;
    }),
  },
  {
    name: 'autoscaling annotations are such that Knative knows and takes them',
    check: ofFunctions((service) => {
      const wrong = Object.entries(scalingOf(service)).filter(
        ([name, value]) => values[name]?.(value) !== true && name !== 'activation-scale',
      );
      if (wrong.length === 0) return undefined;
      return `${wrong.map(([name, value]) => `${name}: '${value}'`).join(', ')} is refused`;
    }),
  },
  {
    name: 'there is a max-scale, and no min-scale above it',
    check: ofFunctions((service) => {
      const { 'min-scale': min = '0', 'max-scale': max } = scalingOf(service);
      if (max === undefined) return 'without max-scale it takes all connections of the stores';
      return Number(min) > Number(max) ? `min-scale ${min} is above max-scale ${max}` : undefined;
    }),
  },
  {
    name: 'nothing is kept warm between sales',
    check: ofFunctions((service) => {
      const min = scalingOf(service)['min-scale'] ?? '0';
      return min === '0' ? undefined : `min-scale is ${min}; kn-seckill scale warm raises it`;
    }),
  },
  {
    name: 'there is no activation-scale',
    check: ofFunctions((service) =>
      scalingOf(service)['activation-scale'] === undefined
        ? undefined
        : 'activation-scale must not be below min-scale, so `scale warm` would be refused',
    ),
  },
  {
    name: 'a sink’s target lets one dispatcher bring more than one instance',
    check: ofFunctions((service) => {
      if (!(service.metadata.name in consumerGroups)) return undefined;
      const { target = '100', metric = 'concurrency' } = scalingOf(service);
      const reached = Number(target) * utilization * 2 <= dispatcherInFlightMax;
      if (metric === 'concurrency' && reached) return undefined;
      return `target ${target}: ${dispatcherInFlightMax} events in flight keep it at one instance`;
    }),
  },
  {
    name: 'a sink is called without the activator in between',
    check: ofFunctions((service) => {
      if (!(service.metadata.name in consumerGroups)) return undefined;
      const capacity = scalingOf(service)['target-burst-capacity'] ?? '211';
      return capacity === '0' ? undefined : `target-burst-capacity is ${capacity}, not 0`;
    }),
  },
];
