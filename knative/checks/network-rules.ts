// Who reaches whom, by what the network policies say together: evaluated as Kubernetes does, for
// the pairs of pods that matter.

import { BlockList, isIPv4 } from 'node:net';
import { connectionsPerInstance, type StoreName } from './budget.ts';
import {
  configMapData,
  isFunction,
  type Manifest,
  nameLabel,
  podsOf,
  type Texts,
} from './manifest.ts';
import type { Rule } from './rule.ts';

interface Selector {
  readonly matchLabels?: Texts;
  readonly matchExpressions?: readonly {
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }[];
}
interface Peer {
  readonly podSelector?: Selector;
  readonly namespaceSelector?: Selector;
  readonly ipBlock?: { readonly cidr: string };
}
interface PolicyRule {
  readonly from?: readonly Peer[];
  readonly to?: readonly Peer[];
  readonly ports?: readonly { readonly port?: number | string }[];
}
interface Policy extends Manifest {
  readonly spec: {
    readonly podSelector: Selector;
    readonly policyTypes: readonly string[];
    readonly ingress?: readonly PolicyRule[];
    readonly egress?: readonly PolicyRule[];
  };
}

/** A pod of our namespace, of another one, or something that is no pod and has an address. */
export interface Place {
  readonly title: string;
  readonly namespace: string | undefined;
  readonly labels: Texts;
  readonly namespaceLabels?: Texts;
  readonly address?: string;
}

const own = 'seckill';

function selects({ matchLabels = {}, matchExpressions = [] }: Selector, labels: Texts): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      if (operator !== 'In') throw new Error(`the operator ${operator} is not evaluated here`);
      return values.includes(labels[key] ?? '');
    })
  );
}

function isPeer({ podSelector, namespaceSelector, ipBlock }: Peer, place: Place): boolean {
  if (ipBlock !== undefined) return isIn(ipBlock.cidr, place.address);
  if (place.namespace === undefined) return false;
  const inNamespace =
    namespaceSelector === undefined
      ? place.namespace === own
      : selects(namespaceSelector, {
          ...place.namespaceLabels,
          'kubernetes.io/metadata.name': place.namespace,
        });
  return inNamespace && (podSelector === undefined || selects(podSelector, place.labels));
}

function isIn(cidr: string, address: string | undefined): boolean {
  const [network = '', prefix = ''] = cidr.split('/');
  if (address === undefined) return false;
  const block = new BlockList();
  block.addSubnet(network, Number(prefix), isIPv4(network) ? 'ipv4' : 'ipv6');
  return block.check(address, isIPv4(address) ? 'ipv4' : 'ipv6');
}

function allows(rules: readonly PolicyRule[], side: 'from' | 'to', place: Place, port: number) {
  return rules.some(({ ports, ...rule }) => {
    const peers = rule[side];
    const isPort = ports === undefined || ports.some((one) => one.port === port);
    return isPort && (peers === undefined || peers.some((peer) => isPeer(peer, place)));
  });
}

/** Whether a connection gets through both what the one may send and what the other may get. */
export function reaches(
  manifests: readonly Manifest[],
  from: Place,
  to: Place,
  port: number,
): boolean {
  const policies = manifests.filter(({ kind }) => kind === 'NetworkPolicy') as Policy[];
  const passes = (place: Place, other: Place, type: 'Ingress' | 'Egress') => {
    if (place.namespace !== own) return true;
    const about = policies.filter(
      ({ spec }) => spec.policyTypes.includes(type) && selects(spec.podSelector, place.labels),
    );
    if (about.length === 0) return true;
    return about.some(({ spec }) =>
      type === 'Ingress'
        ? allows(spec.ingress ?? [], 'from', other, port)
        : allows(spec.egress ?? [], 'to', other, port),
    );
  };
  return passes(from, to, 'Egress') && passes(to, from, 'Ingress');
}

export const storePorts: Readonly<Record<StoreName, number>> = {
  redis: 6_379,
  etcd: 2_379,
  kafka: 9_092,
  mysql: 3_306,
};
const stores = Object.keys(storePorts) as StoreName[];
/** Addresses that are no secret. */
const addressNames = { etcd: 'SECKILL_ETCD_ENDPOINTS', kafka: 'SECKILL_KAFKA_BROKERS' } as const;

const pod = (title: string, labels: Texts): Place => ({ title, namespace: own, labels });
const elsewhere = (namespace: string, namespaceLabels: Texts = {}): Place => ({
  title: `a pod of ${namespace}`,
  ...{ namespace, namespaceLabels },
  labels: {},
});
const at = (title: string, address: string): Place => ({
  ...{ title, address },
  namespace: undefined,
  labels: {},
});
const outside = at('the outside', '203.0.113.7');
/** NodeLocal DNSCache at its default. */
const nodeCache = at('a node’s own DNS', '169.254.20.10');
const dnsPort = 53;
const stranger = pod('a pod without labels', {});

function functionPlaces(manifests: readonly Manifest[]): readonly Place[] {
  return manifests.filter(isFunction).map(({ metadata, spec }) =>
    pod(metadata.name, {
      ...spec.template.metadata?.labels,
      'serving.knative.dev/service': metadata.name,
    }),
  );
}

/** The stores of this namespace, as the policies know them; whether an overlay brings them or not. */
const storePlaces = stores.map((store) => ({ store, place: pod(store, { [nameLabel]: store }) }));

type Wanted = readonly [from: Place, to: Place, port: number, isAllowed: boolean];

function check(manifests: readonly Manifest[], pairs: readonly Wanted[]): readonly string[] {
  return pairs
    .filter(([from, to, port, isAllowed]) => reaches(manifests, from, to, port) !== isAllowed)
    .map(
      ([from, to, port, isAllowed]) =>
        `${from.title} ${isAllowed ? 'does not reach' : 'reaches'} ${to.title} at ${port}`,
    );
}

const queueProxyPort = 8_012;
const functionPort = 8_080;
const metricsPort = 9_464;
/** OTLP by gRPC and by HTTP, Prometheus' remote writes. */
const telemetryPorts = [4_317, 4_318, 9_090];

export const networkRules: readonly Rule[] = [
  {
    name: 'functions are reached by Knative and its gateway, through the queue-proxy',
    check: (manifests) =>
      check(
        manifests,
        functionPlaces(manifests).flatMap((to): Wanted[] => [
          [elsewhere('knative-serving'), to, queueProxyPort, true],
          [elsewhere('knative-serving'), to, 9_090, true],
          [elsewhere('kourier-system'), to, queueProxyPort, true],
          [elsewhere('default'), to, queueProxyPort, false],
          [stranger, to, queueProxyPort, false],
          [outside, to, queueProxyPort, false],
          [elsewhere('kourier-system'), to, functionPort, false],
          [elsewhere('monitoring'), to, metricsPort, true],
          [outside, to, metricsPort, true],
        ]),
      ),
  },
  {
    name: 'stores are reached by the functions that use them, and by nobody else',
    check: (manifests) =>
      check(
        manifests,
        storePlaces.flatMap(({ store, place }): Wanted[] => [
          ...functionPlaces(manifests).map((from): Wanted => {
            const uses = connectionsPerInstance[from.title]?.[store] !== undefined;
            return [from, place, storePorts[store], uses];
          }),
          [stranger, place, storePorts[store], false],
          [outside, place, storePorts[store], false],
          [elsewhere('default'), place, storePorts[store], false],
          [elsewhere('knative-eventing'), place, storePorts[store], store === 'kafka'],
        ]),
      ),
  },
  {
    name: 'every address of the environment is reached',
    check(manifests) {
      const shared = configMapData(manifests, 'seckill') ?? {};
      const purchase = functionPlaces(manifests).filter(({ title }) => title === 'purchase');
      const wanted = (['etcd', 'kafka'] as const).flatMap((store) =>
        (shared[addressNames[store]] ?? '').split(',').flatMap((address) => {
          const { hostname, port } = new URL(address.includes('://') ? address : `x://${address}`);
          const isOurs = hostname.endsWith(`.${own}.svc.cluster.local`);
          const to = isOurs ? pod(store, { [nameLabel]: store }) : outside;
          return purchase.map((from): Wanted => [from, to, Number(port), true]);
        }),
      );
      return [...new Set(check(manifests, wanted))];
    },
  },
  {
    name: 'a store’s nodes reach each other',
    check: (manifests) =>
      check(
        manifests,
        storePlaces
          .flatMap(({ store, place }) =>
            ({ redis: [6_379, 16_379], etcd: [2_380], kafka: [9_092, 9_093], mysql: [] })[
              store
            ].map((port) => ({ place, port })),
          )
          .map(({ place, port }): Wanted => [place, place, port, true]),
      ),
  },
  {
    name: 'the edge reaches purchase by the gateway, and the issuer; nobody else goes out',
    check: (manifests) =>
      check(
        manifests,
        functionPlaces(manifests).flatMap((from): Wanted[] => {
          const isEdge = from.title === 'ratelimit-edge';
          return [
            [from, elsewhere('kube-system'), dnsPort, true],
            [from, nodeCache, dnsPort, true],
            [from, nodeCache, 80, false],
            [from, outside, dnsPort, false],
            [from, elsewhere('kourier-system'), 8_081, isEdge],
            [from, outside, 443, isEdge],
            [from, outside, 80, false],
            [from, elsewhere('default'), 8_080, false],
          ];
        }),
      ),
  },
  {
    name: 'traces and last counters go to namespaces that are labelled for it',
    check: (manifests) =>
      check(
        manifests,
        functionPlaces(manifests).flatMap((from) =>
          telemetryPorts.flatMap((port): Wanted[] => [
            [from, elsewhere('observability', { 'seckill/telemetry': 'true' }), port, true],
            [from, elsewhere('default'), port, false],
            [from, outside, port, false],
          ]),
        ),
      ),
  },
  {
    name: 'a Job reaches what it says it uses, and no more',
    check: (manifests) =>
      check(
        manifests,
        podsOf(manifests)
          .filter(({ owner }) => owner.kind === 'Job' || owner.kind === 'CronJob')
          .flatMap(({ owner, template }): Wanted[] => {
            const labels = template.metadata?.labels ?? {};
            const from = pod(owner.metadata.name, labels);
            const kubernetes = labels['seckill/uses-kubernetes'] === 'true';
            return [
              [from, outside, 6_443, kubernetes],
              ...storePlaces.map(({ store, place }): Wanted => {
                const says = labels[`seckill/uses-${store}`] === 'true';
                const migrates = store === 'mysql' && labels[nameLabel] === 'migrate';
                return [from, place, storePorts[store], says || migrates];
              }),
            ];
          }),
      ),
  },
];
