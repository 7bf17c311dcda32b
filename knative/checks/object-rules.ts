// All objects together: where they are, what they are called, what they refer to and who may do
// what.

import {
  containersOf,
  type Manifest,
  nameLabel,
  namespace,
  partOf,
  podsOf,
  titleOf,
} from './manifest.ts';
import type { Rule } from './rule.ts';

/** Made in the cluster, by `kn-seckill install` or by whoever brings the stores. */
export const knownSecrets: ReadonlySet<string> = new Set([
  ...['seckill-keys', 'ratelimit-edge', 'purchase', 'persist-order', 'update-rank', 'migrate'],
  ...['redis', 'etcd', 'mysql', 'kafka-topics', 'kafka-sources'],
  ...['redis-tls', 'etcd-tls', 'mysql-tls', 'kafka-tls'],
]);
/** No namespace of its own. */
const clusterKinds = new Set(['Namespace', 'ClusterRole', 'ClusterRoleBinding']);
/** What names a file with a secret in it holds none. */
const secretName = /(PASSWORD|_KEYS?|SECRET|TOKEN)(?!.*_FILE$)/i;
const urlWithPassword = /:\/\/[^/\s:@]*:[^/\s@]+@/;

interface PolicyRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}
const rulesOf = (manifests: readonly Manifest[]) =>
  (manifests as readonly (Manifest & { readonly rules?: readonly PolicyRule[] })[])
    .filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole')
    .flatMap((role) => (role.rules ?? []).map((rule) => ({ at: titleOf(role), rule })));

export const objectRules: readonly Rule[] = [
  {
    name: 'everything is in the namespace, and the namespace asks for the strictest security',
    check: (manifests) => [
      ...manifests
        .filter(({ kind, metadata }) => !clusterKinds.has(kind) && metadata.namespace !== namespace)
        .map((one) => `${titleOf(one)}: is not in namespace ${namespace}`),
      ...manifests
        .filter(({ kind }) => kind === 'Namespace')
        .filter(({ metadata: { labels = {} } }) => {
          const enforced = labels['pod-security.kubernetes.io/enforce'];
          return enforced !== 'restricted';
        })
        .map((one) => `${titleOf(one)}: does not enforce the standard restricted`),
    ],
  },
  {
    name: 'everything says what it is a part of and what it is, pods too',
    check: (manifests) =>
      [
        ...manifests.map((one) => ({ at: titleOf(one), labels: one.metadata.labels })),
        ...podsOf(manifests).map(({ owner, template }) => ({
          at: `${titleOf(owner)}: its pods`,
          labels: template.metadata?.labels,
        })),
      ].flatMap(({ at, labels = {} }) => [
        ...(labels[partOf] === 'seckill' ? [] : [`${at}: label ${partOf} is not seckill`]),
        ...(labels[nameLabel] === undefined ? [`${at}: there is no label ${nameLabel}`] : []),
      ]),
  },
  {
    name: 'what pods refer to is there',
    check(manifests) {
      const names = (kind: string) =>
        new Set(manifests.filter((one) => one.kind === kind).map(({ metadata }) => metadata.name));
      const [accounts, configMaps] = [names('ServiceAccount'), names('ConfigMap')];
      return referencesOf(manifests).flatMap(({ at, kind, name, optional }) => {
        const known = { ServiceAccount: accounts, ConfigMap: configMaps, Secret: knownSecrets };
        if (optional === true || known[kind].has(name)) return [];
        return [`${at}: there is no ${kind} ${name}`];
      });
    },
  },
  {
    name: 'who is given a role is there, and so is the role',
    check(manifests) {
      const has = (kind: string, name: string) =>
        manifests.some((one) => one.kind === kind && one.metadata.name === name);
      return (manifests as readonly (Manifest & Partial<Binding>)[])
        .filter(({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding')
        .flatMap((binding) => {
          const { roleRef, subjects = [] } = binding;
          return [...(roleRef === undefined ? [] : [roleRef]), ...subjects]
            .filter(({ kind, name }) => !has(kind, name))
            .map(({ kind, name }) => `${titleOf(binding)}: there is no ${kind} ${name}`);
        });
    },
  },
  {
    name: 'no secret is in Git',
    check: (manifests) =>
      (manifests as readonly (Manifest & { readonly data?: Readonly<Record<string, string>> })[])
        .flatMap((one) => {
          if (one.kind === 'Secret') return [`${titleOf(one)}: Secrets are made in the cluster`];
          return one.kind !== 'ConfigMap'
            ? []
            : Object.entries(one.data ?? {})
                .filter(([name, value]) => secretName.test(name) || urlWithPassword.test(value))
                .map(([name]) => `${titleOf(one)}: ${name} belongs into a Secret`);
        })
        .concat(
          containersOf(manifests).flatMap(({ at, container }) =>
            (container.env ?? [])
              .filter(({ name, value = '' }) => secretName.test(name) && value !== '')
              .map(({ name }) => `${at}: ${name} belongs into a Secret`),
          ),
        ),
  },
  {
    name: 'no right is wider than its use',
    check: (manifests) =>
      rulesOf(manifests).flatMap(({ at, rule }) => {
        const { apiGroups = [], resources = [], resourceNames = [], verbs } = rule;
        const readsSecrets =
          resources.includes('secrets') && verbs.some((verb) => verb !== 'create');
        return [
          ...([...apiGroups, ...resources, ...verbs].includes('*') ? [`${at}: has a *`] : []),
          ...(readsSecrets && resourceNames.length === 0
            ? [`${at}: may ${verbs.join(', ')} every Secret`]
            : []),
          ...(verbs.some((verb) => ['escalate', 'bind', 'impersonate'].includes(verb))
            ? [`${at}: may make itself more`]
            : []),
        ];
      }),
  },
  {
    name: 'nothing is there twice',
    check(manifests) {
      const titles = manifests.map((one) => `${one.apiVersion} ${titleOf(one)}`);
      const twice = titles.filter((title, index) => titles.indexOf(title) !== index);
      return twice.map((title) => `${title} is there twice`);
    },
  },
  {
    name: 'a disruption budget lets a node be drained',
    check: (manifests) =>
      manifests
        .filter(({ kind }) => kind === 'PodDisruptionBudget')
        .filter(({ spec }) => (spec as { maxUnavailable?: number }).maxUnavailable !== 1)
        .map((one) => `${titleOf(one)}: maxUnavailable must be 1, or nothing may ever move`),
  },
];

interface Binding {
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string }[];
}

interface PodReference {
  readonly at: string;
  readonly kind: 'ServiceAccount' | 'ConfigMap' | 'Secret';
  readonly name: string;
  readonly optional?: boolean | undefined;
}

/** Everything that a pod needs before it can start. */
function referencesOf(manifests: readonly Manifest[]): readonly PodReference[] {
  const found: PodReference[] = [];
  for (const { owner, template, containers } of podsOf(manifests)) {
    const add = (
      kind: PodReference['kind'],
      to: { readonly name?: string; readonly optional?: boolean } | undefined,
    ) => {
      const { name, optional } = to ?? {};
      if (name !== undefined) found.push({ at: titleOf(owner), kind, name, optional });
    };
    const { serviceAccountName: name } = template.spec;
    add('ServiceAccount', name === undefined ? undefined : { name });
    for (const { env = [], envFrom = [] } of containers) {
      for (const { valueFrom } of env) {
        add('Secret', valueFrom?.secretKeyRef);
        add('ConfigMap', valueFrom?.configMapKeyRef);
      }
      for (const { secretRef, configMapRef } of envFrom) {
        add('Secret', secretRef);
        add('ConfigMap', configMapRef);
      }
    }
    for (const { secret, configMap, projected } of template.spec.volumes ?? []) {
      const { secretName: name = '', optional = false } = secret ?? {};
      if (secret !== undefined) add('Secret', { name, optional });
      add('ConfigMap', configMap);
      for (const source of projected?.sources ?? []) {
        add('Secret', source.secret);
        add('ConfigMap', source.configMap);
      }
    }
  }
  return found;
}
