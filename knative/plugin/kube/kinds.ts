// The kinds of objects that the plugin reads and writes, in the versions that Knative 1.23 and
// Kubernetes 1.34 serve, and the little of their shape that all have in common.

export interface ObjectMeta {
  readonly name: string;
  readonly namespace?: string | undefined;
  readonly uid?: string;
  readonly resourceVersion?: string;
  readonly generation?: number;
  readonly creationTimestamp?: string;
  readonly deletionTimestamp?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface KubeKind {
  /** `v1`, or group and version as in `serving.knative.dev/v1`. */
  readonly apiVersion: string;
  readonly kind: string;
}

export interface KubeObject extends KubeKind {
  readonly metadata: ObjectMeta;
}

/** Names one object; of a namespaced kind in the client's namespace where none is said. */
export interface KubeRef extends KubeKind {
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** As in the status of nearly every kind. */
export interface Condition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime?: string;
}

export const kinds = {
  configMap: { apiVersion: 'v1', kind: 'ConfigMap' },
  event: { apiVersion: 'v1', kind: 'Event' },
  namespace: { apiVersion: 'v1', kind: 'Namespace' },
  node: { apiVersion: 'v1', kind: 'Node' },
  pod: { apiVersion: 'v1', kind: 'Pod' },
  secret: { apiVersion: 'v1', kind: 'Secret' },
  deployment: { apiVersion: 'apps/v1', kind: 'Deployment' },
  replicaSet: { apiVersion: 'apps/v1', kind: 'ReplicaSet' },
  cronJob: { apiVersion: 'batch/v1', kind: 'CronJob' },
  job: { apiVersion: 'batch/v1', kind: 'Job' },
  knativeService: { apiVersion: 'serving.knative.dev/v1', kind: 'Service' },
  revision: { apiVersion: 'serving.knative.dev/v1', kind: 'Revision' },
  pingSource: { apiVersion: 'sources.knative.dev/v1', kind: 'PingSource' },
  kafkaSource: { apiVersion: 'sources.knative.dev/v1', kind: 'KafkaSource' },
} as const satisfies Record<string, KubeKind>;
