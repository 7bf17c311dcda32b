// Knative Services: what Knative refuses, or takes and does something else with.

import {
  drainDeadlineMs,
  edgeRequestTimeoutMs,
  persistDeadlineMs,
  persistWaitMaxMs,
  purchaseDeadlineMs,
} from '#lib/constants.ts';
import { consumerGroups } from '#lib/names.ts';
import {
  containersOf,
  type FunctionManifest,
  isFunction,
  type Manifest,
  titleOf,
} from './manifest.ts';
import type { Rule } from './rule.ts';

const visibility = 'networking.knative.dev/visibility';
const publicFunction = 'ratelimit-edge';

/** What a PodSpec may have without any feature of Knative enabled. */
const podFields = new Set([
  ...['containers', 'volumes', 'serviceAccountName', 'automountServiceAccountToken'],
  ...['imagePullSecrets', 'enableServiceLinks', 'containerConcurrency', 'timeoutSeconds'],
  ...['responseStartTimeoutSeconds', 'idleTimeoutSeconds'],
]);
/** What the queue-proxy and Knative itself listen on. */
const reservedPorts = new Set([8_008, 8_012, 8_013, 8_022, 9_090, 9_091]);
const reservedNames = new Set(['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION']);

/** For so long without a new request a queue-proxy waits before a pod is told to end. */
const queueProxyDrainMs = 30_000;
/** Knative's own limit (`max-revision-timeout-seconds`). */
const timeoutSecondsMax = 600;

/** The longest that each function takes for an answer's first byte. */
export const answersWithinMs: Readonly<Record<string, number>> = {
  'ratelimit-edge': edgeRequestTimeoutMs,
  purchase: purchaseDeadlineMs,
  'persist-order': persistWaitMaxMs + persistDeadlineMs,
  'update-rank': 0,
};

const ofFunctions =
  (problems: (service: FunctionManifest) => readonly (string | false | undefined)[]) =>
  (manifests: readonly Manifest[]): readonly string[] =>
    manifests.filter(isFunction).flatMap((service) =>
      problems(service)
        .filter((problem) => typeof problem === 'string')
        .map((problem) => `${titleOf(service)}: ${problem}`),
    );

export const serviceRules: readonly Rule[] = [
  {
    name: 'only the edge has a public route',
    check: ofFunctions(({ metadata }) => {
      const isLocal = metadata.labels?.[visibility] === 'cluster-local';
      const isPublic = metadata.name === publicFunction;
      return [
        metadata.annotations?.[visibility] !== undefined && `${visibility} counts as a label only`,
        !isPublic && !isLocal && `has a public route: label it ${visibility}: cluster-local`,
        isPublic && isLocal && 'has no public route',
      ];
    }),
  },
  {
    name: 'a Service uses no field that needs a feature of Knative',
    check: ofFunctions(({ spec }) => [
      ...Object.keys(spec.template.spec)
        .filter((field) => !podFields.has(field))
        .map((field) => `${field} is refused unless a feature of Knative is enabled`),
      ...spec.template.spec.containers.flatMap(({ env = [], securityContext }) => [
        env.some(({ valueFrom }) => valueFrom?.fieldRef !== undefined) && 'fieldRef is refused',
        (securityContext?.capabilities?.add ?? []).length > 0 && 'capabilities.add is refused',
      ]),
    ]),
  },
  {
    name: 'a Service declares one port, and none of Knative’s own',
    check: ofFunctions(({ spec }) => {
      const ports = spec.template.spec.containers.flatMap((container) => container.ports ?? []);
      return [
        ports.length > 1 && 'more than one containerPort is refused',
        ...ports.map(
          ({ containerPort: port }) => reservedPorts.has(port) && `port ${port} is Knative’s own`,
        ),
        ...ports.map(
          ({ name = '' }) => !['', 'http1', 'h2c'].includes(name) && `a port named ${name}`,
        ),
      ];
    }),
  },
  {
    name: 'readiness is asked by the queue-proxy, and liveness never alone',
    check: ofFunctions(({ spec }) =>
      spec.template.spec.containers.flatMap(({ readinessProbe: ready, livenessProbe: alive }) => [
        ready?.httpGet?.path !== '/readyz' && 'readinessProbe is not httpGet /readyz',
        ready?.periodSeconds !== undefined &&
          'with periodSeconds on readinessProbe a cold start takes a second or more longer',
        (ready?.failureThreshold ?? ready?.timeoutSeconds) !== undefined &&
          'failureThreshold and timeoutSeconds of readinessProbe are refused without a period',
        alive?.httpGet?.path !== '/livez' && 'livenessProbe is not httpGet /livez',
        (alive?.timeoutSeconds ?? 1) * (alive?.failureThreshold ?? 3) < 15 &&
          'livenessProbe takes a busy event loop for a dead one',
      ]),
    ),
  },
  {
    name: 'a Service has time to end, and Knative waits longer than the function',
    check: ofFunctions(({ metadata, spec }) => {
      const { timeoutSeconds = 300, responseStartTimeoutSeconds: start = 300 } = spec.template.spec;
      const leastSeconds = (queueProxyDrainMs + drainDeadlineMs) / 1_000;
      const answersWithinSeconds = (answersWithinMs[metadata.name] ?? 0) / 1_000;
      return [
        timeoutSeconds < Math.max(60, leastSeconds) &&
          `timeoutSeconds ${timeoutSeconds} is also its grace period: it would be killed`,
        timeoutSeconds > timeoutSecondsMax && `timeoutSeconds above ${timeoutSecondsMax}`,
        start >= timeoutSeconds && 'responseStartTimeoutSeconds must be below timeoutSeconds',
        start <= answersWithinSeconds &&
          `responseStartTimeoutSeconds ${start} cuts answers off (${answersWithinSeconds} s)`,
      ];
    }),
  },
  {
    name: 'a sink takes at most one dispatcher’s events at once',
    check: ofFunctions(({ metadata, spec }) => [
      metadata.name in consumerGroups &&
        (spec.template.spec.containerConcurrency ?? 0) < 99 &&
        'containerConcurrency is below the 99 events of a dispatcher, or unlimited',
    ]),
  },
  {
    name: 'what Knative sets is not set',
    check: ofFunctions(({ spec }) =>
      spec.template.spec.containers.flatMap(({ env = [] }) =>
        env.map(({ name }) => reservedNames.has(name) && `${name} is set by Knative`),
      ),
    ),
  },
  {
    name: 'what is mounted is read only, unless it is an emptyDir',
    check: (manifests) =>
      containersOf(manifests.filter(isFunction)).flatMap(({ at, container, template }) =>
        (container.volumeMounts ?? [])
          .filter(({ name, readOnly }) => {
            const volume = template.spec.volumes?.find((one) => one.name === name);
            return volume?.emptyDir === undefined && readOnly !== true;
          })
          .map(({ name }) => `${at}: volume ${name} needs readOnly: true`),
      ),
  },
];
