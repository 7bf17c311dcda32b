// For tests: Knative beside a fake API server. It brings pods up as far as a revision's min-scale
// says, or doesn't, for one of the usual reasons.

import type { FakeApi } from './fake-api.ts';
import { type Condition, type KubeObject, kinds } from './kinds.ts';

const prefix = 'autoscaling.knative.dev';

/** How the pods of a revision behave. */
export type Mood =
  | 'willing'
  /** Nothing comes before a request has come: the autoscaler has been started anew. */
  | 'asleep'
  /** Pods are made and never get ready. */
  | { readonly pod: object; readonly events?: readonly { reason: string; message: string }[] }
  /** No pod can be made. */
  | { readonly quota: string };

export interface ServiceOptions {
  readonly name: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly mood?: Mood;
  readonly image?: string;
}

export interface FakeKnative {
  /** A service of the system with its first revision, which has all traffic. */
  addService(options: ServiceOptions): void;
  /** Another revision of it; it gets traffic when `route` says so. */
  addRevision(service: string, revision: string, mood?: Mood): void;
  /** Which revisions have how much of the traffic, and which is the newest that was made. */
  route(service: string, percents: Readonly<Record<string, number>>, created?: string): void;
  /** Requests that the activator has passed on, by revision. */
  readonly woken: ReadonlyMap<string, number>;
  revision(name: string): KubeObject;
}

const namespace = 'seckill';
const nodes = ['n1', 'n2', 'n3'];
const routingState = 'serving.knative.dev/routingState';
const labelsOf = (service: string, revision: string) => ({
  'serving.knative.dev/service': service,
  'serving.knative.dev/revision': revision,
});

export function createFakeKnative(api: FakeApi): FakeKnative {
  const moods = new Map<string, { mood: Mood; service: string }>();
  const woken = new Map<string, number>();

  api.proxy('knative-serving', 'services/activator-service:80', (_, headers) => {
    const name = String(headers['knative-serving-revision']);
    if (headers['knative-serving-namespace'] !== namespace || !moods.has(name)) {
      return { status: 404, text: 'Error getting active endpoint' };
    }
    woken.set(name, (woken.get(name) ?? 0) + 1);
    return { status: 200, text: 'ready' };
  });
  // Each time somebody looks, one more pod has become ready.
  api.before('list', 'pods', () => {
    for (const [name, { mood, service }] of moods) step(api, { name, service, mood, woken });
  });

  const knative: FakeKnative = {
    woken,
    addService({ name, annotations = {}, mood = 'willing', image }) {
      const revision = `${name}-00001`;
      const container = { image: image ?? `ghcr.io/seckill/${name}:0.1.0` };
      api.put({
        ...kinds.knativeService,
        metadata: { name, namespace, labels: { 'app.kubernetes.io/part-of': 'seckill' } },
        ...{ spec: { template: { spec: { containers: [container] } } } },
      });
      putRevision(api, name, revision, annotations);
      moods.set(revision, { mood, service: name });
      knative.route(name, { [revision]: 100 });
    },
    addRevision(service, revision, mood = 'willing') {
      putRevision(api, service, revision, {});
      moods.set(revision, { mood, service });
    },
    route(service, percents, created) {
      const latest = Object.keys(percents).at(-1);
      const known = api.at(kinds.knativeService, service);
      if (known === undefined) throw new Error(`there is no service ${service}`);
      setRouting(api, service, percents);
      api.put({
        ...known,
        ...{
          status: {
            url: `http://${service}.seckill.kn.test`,
            address: { url: `http://${service}.seckill.svc.cluster.local` },
            latestCreatedRevisionName: created ?? latest,
            latestReadyRevisionName: latest,
            traffic: Object.entries(percents).map(([name, percent]) => ({
              ...{ revisionName: name, percent },
            })),
          },
        },
      });
    },
    revision(name) {
      const revision = api.at(kinds.revision, name);
      if (revision === undefined) throw new Error(`there is no revision ${name}`);
      return revision;
    },
  };
  return knative;
}

function putRevision(
  api: FakeApi,
  service: string,
  name: string,
  annotations: Readonly<Record<string, string>>,
): void {
  api.put({
    ...kinds.revision,
    metadata: {
      ...{ name, namespace, annotations },
      labels: { ...labelsOf(service, name), [routingState]: 'pending' },
    },
    ...{ spec: { containers: [{ image: 'ghcr.io/seckill/some:0.1.0' }] }, status: {} },
  });
}

/** As the Route's reconciler labels them: what had traffic once is kept in reserve. */
function setRouting(
  api: FakeApi,
  service: string,
  percents: Readonly<Record<string, number>>,
): void {
  for (const revision of api.objects.list('revisions.serving.knative.dev', namespace)) {
    const { name, labels } = revision.metadata;
    if (labels?.['serving.knative.dev/service'] !== service) continue;
    const was = labels[routingState];
    const state = name in percents ? 'active' : was === 'pending' ? was : 'reserve';
    const metadata = { ...revision.metadata, labels: { ...labels, [routingState]: state } };
    api.put({ ...revision, metadata });
  }
}

interface Step {
  readonly name: string;
  readonly service: string;
  readonly mood: Mood;
  readonly woken: ReadonlyMap<string, number>;
}

/** What the autoscaler and the kubelets have done meanwhile. */
function step(api: FakeApi, { name, service, mood, woken }: Step): void {
  const annotations = api.at(kinds.revision, name)?.metadata.annotations ?? {};
  const wanted = Number(annotations[`${prefix}/min-scale`] ?? 0);
  if (mood === 'asleep' && !woken.has(name)) return;
  if (typeof mood === 'object' && 'quota' in mood) {
    putDeployment(api, service, name, mood.quota);
    return;
  }
  let isOneReady = false;
  for (let index = 0; index < wanted; index += 1) {
    const pod = `${name}-pod-${index}`;
    const isThere = api.at(kinds.pod, pod) !== undefined;
    if (typeof mood === 'object') {
      putPod(api, { service, name, pod, index }, mood.pod);
      for (const event of mood.events ?? []) putEvent(api, pod, event);
    } else if (!isThere && !isOneReady) {
      putPod(api, { service, name, pod, index }, { conditions: [ready] });
      isOneReady = true;
    }
  }
}

const ready: Condition = { type: 'Ready', status: 'True' };

function putPod(
  api: FakeApi,
  at: { service: string; name: string; pod: string; index: number },
  status: object,
): void {
  const { service, name, pod, index } = at;
  api.put({
    ...kinds.pod,
    metadata: { name: pod, namespace, labels: labelsOf(service, name) },
    ...{ spec: { nodeName: nodes[index % nodes.length] }, status },
  });
}

function putEvent(api: FakeApi, pod: string, event: { reason: string; message: string }): void {
  api.put({
    ...kinds.event,
    metadata: { name: `${pod}.${event.reason}`, namespace },
    ...{ involvedObject: { name: pod }, lastTimestamp: '2026-11-23T05:00:00Z', ...event },
  });
}

function putDeployment(api: FakeApi, service: string, name: string, message: string): void {
  const failure = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message };
  api.put({
    ...kinds.deployment,
    metadata: { name: `${name}-deployment`, namespace, labels: labelsOf(service, name) },
    ...{ spec: { replicas: 1 }, status: { conditions: [failure] } },
  });
}
