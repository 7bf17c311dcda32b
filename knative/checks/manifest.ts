// The manifests as the checks read them: what kustomize rendered, with the fields that rules are
// about. Whether a field is there at all, and of which type, is the schemas' to say (schemas.ts).

export type Texts = Readonly<Record<string, string>>;

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly labels?: Texts;
  readonly annotations?: Texts;
}

export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Metadata;
  readonly spec?: unknown;
}

export interface SecretOrConfigMapKey {
  readonly name: string;
  readonly key: string;
  readonly optional?: boolean;
}

export interface EnvVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: {
    readonly secretKeyRef?: SecretOrConfigMapKey;
    readonly configMapKeyRef?: SecretOrConfigMapKey;
    readonly fieldRef?: unknown;
  };
}

export interface EnvSource {
  readonly secretRef?: { readonly name: string; readonly optional?: boolean };
  readonly configMapRef?: { readonly name: string; readonly optional?: boolean };
}

export interface Probe {
  readonly httpGet?: { readonly path?: string; readonly port?: number | string };
  readonly periodSeconds?: number;
  readonly failureThreshold?: number;
  readonly timeoutSeconds?: number;
  readonly initialDelaySeconds?: number;
}

export interface SecurityContext {
  readonly runAsNonRoot?: boolean;
  readonly runAsUser?: number;
  readonly readOnlyRootFilesystem?: boolean;
  readonly allowPrivilegeEscalation?: boolean;
  readonly privileged?: boolean;
  readonly capabilities?: { readonly add?: readonly string[]; readonly drop?: readonly string[] };
  readonly seccompProfile?: { readonly type?: string };
}

export interface Container {
  readonly name?: string;
  readonly image: string;
  readonly ports?: readonly { readonly containerPort: number; readonly name?: string }[];
  readonly env?: readonly EnvVariable[];
  readonly envFrom?: readonly EnvSource[];
  readonly volumeMounts?: readonly { readonly name: string; readonly readOnly?: boolean }[];
  readonly readinessProbe?: Probe;
  readonly livenessProbe?: Probe;
  readonly resources?: { readonly requests?: Texts; readonly limits?: Texts };
  readonly securityContext?: SecurityContext;
}

export interface Volume {
  readonly name: string;
  readonly emptyDir?: unknown;
  readonly secret?: { readonly secretName?: string; readonly optional?: boolean };
  readonly configMap?: { readonly name?: string; readonly optional?: boolean };
  readonly projected?: {
    readonly sources?: readonly {
      readonly secret?: { readonly name?: string; readonly optional?: boolean };
      readonly configMap?: { readonly name?: string; readonly optional?: boolean };
    }[];
  };
}

export interface PodSpec {
  readonly serviceAccountName?: string;
  readonly automountServiceAccountToken?: boolean;
  readonly enableServiceLinks?: boolean;
  readonly restartPolicy?: string;
  readonly securityContext?: SecurityContext;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly Container[];
  readonly volumes?: readonly Volume[];
}

export interface PodTemplate {
  readonly metadata?: { readonly labels?: Texts; readonly annotations?: Texts };
  readonly spec: PodSpec;
}

export interface ServiceTemplate extends PodTemplate {
  readonly spec: PodSpec & {
    readonly containerConcurrency?: number;
    readonly timeoutSeconds?: number;
    readonly responseStartTimeoutSeconds?: number;
  };
}

/** A Knative Service. */
export interface FunctionManifest extends Manifest {
  readonly spec: { readonly template: ServiceTemplate };
}

export const partOf = 'app.kubernetes.io/part-of';
export const nameLabel = 'app.kubernetes.io/name';
export const namespace = 'seckill';

/** How messages name an object. */
export const titleOf = ({ kind, metadata }: Manifest) => `${kind} ${metadata.name}`;

export function isFunction(manifest: Manifest): manifest is FunctionManifest {
  return manifest.kind === 'Service' && manifest.apiVersion.startsWith('serving.knative.dev/');
}

/** Every pod template, whatever makes pods of it. */
export function podTemplateOf(manifest: Manifest): PodTemplate | undefined {
  const { kind, spec } = manifest;
  if (kind === 'CronJob') {
    return (spec as { jobTemplate: { spec: { template: PodTemplate } } }).jobTemplate.spec.template;
  }
  const makesPods = isFunction(manifest) || ['Job', 'Deployment', 'StatefulSet'].includes(kind);
  return makesPods ? (spec as { template: PodTemplate }).template : undefined;
}

export interface Pods {
  readonly owner: Manifest;
  readonly template: PodTemplate;
  readonly containers: readonly Container[];
}

export function podsOf(manifests: readonly Manifest[]): readonly Pods[] {
  return manifests.flatMap((owner) => {
    const template = podTemplateOf(owner);
    if (template === undefined) return [];
    const { containers, initContainers = [] } = template.spec;
    return [{ owner, template, containers: [...initContainers, ...containers] }];
  });
}

/** Each container with the title that messages give it. */
export function containersOf(manifests: readonly Manifest[]) {
  return podsOf(manifests).flatMap(({ owner, template, containers }) =>
    containers.map((container) => ({
      ...{ owner, template, container },
      at: `${titleOf(owner)}: container ${container.name ?? ''}`,
    })),
  );
}

/** A ConfigMap of this name, or made of it with the hash of its content. */
export function configMapData(manifests: readonly Manifest[], name: string): Texts | undefined {
  const found = manifests.find(
    ({ kind, metadata }) =>
      kind === 'ConfigMap' && metadata.name.replace(/-[a-z0-9]{10}$/, '') === name,
  );
  return found === undefined ? undefined : (found as Manifest & { readonly data?: Texts }).data;
}
