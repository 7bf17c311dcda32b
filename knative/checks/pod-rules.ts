// Every pod: what the strictest Pod Security Standard asks, what an image and its resources say.

import packageJson from '../../package.json' with { type: 'json' };
import { containersOf, isFunction, podsOf, titleOf } from './manifest.ts';
import type { Rule } from './rule.ts';

const ownImage = /^ghcr\.io\/seckill\//;
/** Pods that speak to the API server say so; the network policy and this rule go by it. */
export const usesKubernetes = 'seckill/uses-kubernetes';

export const podRules: readonly Rule[] = [
  {
    name: 'every container is as restricted as the namespace asks',
    check: (manifests) =>
      containersOf(manifests).flatMap(({ at, container, template }) => {
        const pod = template.spec.securityContext ?? {};
        const own = container.securityContext ?? {};
        const is = { ...pod, ...own };
        const asked: Readonly<Record<string, boolean>> = {
          'runAsNonRoot: true': is.runAsNonRoot === true,
          'runAsUser above 0': (is.runAsUser ?? 0) > 0,
          'readOnlyRootFilesystem: true': own.readOnlyRootFilesystem === true,
          'allowPrivilegeEscalation: false': own.allowPrivilegeEscalation === false,
          'capabilities.drop: [ALL]': own.capabilities?.drop?.join() === 'ALL',
          'no capabilities.add': (own.capabilities?.add ?? []).length === 0,
          'no privileged': own.privileged !== true,
          'seccompProfile RuntimeDefault': is.seccompProfile?.type === 'RuntimeDefault',
        };
        const missing = Object.entries(asked).filter(([, holds]) => !holds);
        return missing.map(([what]) => `${at}: securityContext lacks ${what}`);
      }),
  },
  {
    name: 'every container says what it needs, and has a limit of memory',
    check: (manifests) =>
      containersOf(manifests).flatMap(({ at, container: { resources = {} } }) => {
        const { requests = {}, limits = {} } = resources;
        const missing = [
          ...['cpu', 'memory']
            .filter((one) => requests[one] === undefined)
            .map((one) => `requests.${one}`),
          ...(limits['memory'] === undefined ? ['limits.memory'] : []),
        ];
        return missing.map((one) => `${at}: resources lack ${one}`);
      }),
  },
  {
    name: 'every image has a version, and ours the version of the package',
    check: (manifests) =>
      containersOf(manifests).flatMap(({ at, container: { image } }) => {
        const tag = /:([^/:@]+)$/.exec(image)?.[1];
        if (image.includes('@sha256:')) return [];
        if (tag === undefined || tag === 'latest') return [`${at}: ${image} has no version`];
        if (!ownImage.test(image) || tag === packageJson.version) return [];
        return [`${at}: ${image} is not of version ${packageJson.version}`];
      }),
  },
  {
    name: 'only who speaks to the API server has a token for it',
    check: (manifests) =>
      podsOf(manifests).flatMap(({ owner, template }) => {
        const speaks = template.metadata?.labels?.[usesKubernetes] === 'true';
        if (template.spec.automountServiceAccountToken === speaks) return [];
        return [
          `${titleOf(owner)}: automountServiceAccountToken must be ${String(speaks)}` +
            (speaks ? '' : `, or its pods be labelled ${usesKubernetes}`),
        ];
      }),
  },
  {
    name: 'no pod is given a variable for every Service of the namespace',
    check: (manifests) =>
      podsOf(manifests)
        .filter(({ template }) => template.spec.enableServiceLinks !== false)
        .map(({ owner }) => `${titleOf(owner)}: enableServiceLinks must be false`),
  },
  {
    name: 'a Job makes way for the next release’s, and is tried again',
    check: (manifests) =>
      manifests
        .filter(({ kind }) => kind === 'Job')
        .flatMap((job) => {
          const { ttlSecondsAfterFinished: ttl, template } = job.spec as {
            ttlSecondsAfterFinished?: number;
            template: { spec: { restartPolicy?: string } };
          };
          return [
            ...(ttl === undefined ? ['ttlSecondsAfterFinished is missing'] : []),
            ...(template.spec.restartPolicy === 'OnFailure' ? [] : ['restartPolicy: OnFailure']),
          ].map((problem) => `${titleOf(job)}: ${problem}`);
        }),
  },
  {
    name: 'metrics are found where the function serves them',
    check: (manifests) =>
      manifests.filter(isFunction).flatMap((service) => {
        const { annotations = {} } = service.spec.template.metadata ?? {};
        const asked = {
          'prometheus.io/scrape': 'true',
          'prometheus.io/port': '9464',
          'prometheus.io/path': '/metrics',
        };
        return Object.entries(asked)
          .filter(([name, value]) => annotations[name] !== value)
          .map(([name, value]) => `${titleOf(service)}: ${name} must be '${value}'`);
      }),
  },
];
