// Where an event goes: a reference in a manifest becomes a URL of this machine, or of the cluster
// that the runner is a pod of.

import type { DestinationDocument } from './manifest-schema.ts';

/** How references become URLs. */
export interface Lookup {
  /** Where the runner itself answers for KafkaSinks. */
  readonly kafkaSinksUrl: string;
  /**
   * `SECKILL_SINK_<NAME>` is the URL of the Knative Service of that name. Any other is looked for
   * in the cluster, where `SECKILL_CLUSTER_DOMAIN` (mostly cluster.local) says that there is one.
   */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

export type Resolved =
  | { readonly url: string }
  | { readonly field: 'ref' | 'uri'; readonly problem: string };

/** The URL of a destination, or what is wrong with which of its fields. */
export function resolveDestination(
  { ref, uri }: DestinationDocument,
  ownNamespace: string,
  hasKafkaSink: (namespace: string, name: string) => boolean,
  { kafkaSinksUrl, environment }: Lookup,
): Resolved {
  if (ref === undefined) return { url: uri ?? '' };
  const namespace = ref.namespace ?? ownNamespace;
  switch (`${ref.apiVersion} ${ref.kind}`) {
    case 'serving.knative.dev/v1 Service': {
      const variable = `SECKILL_SINK_${ref.name.toUpperCase().replaceAll('-', '_')}`;
      const domain = environment['SECKILL_CLUSTER_DOMAIN'];
      const base = environment[variable] ?? (domain && inCluster(ref.name, namespace, domain));
      if (base === undefined || !URL.canParse(base)) {
        return { field: 'ref', problem: `set ${variable} to the URL of ${ref.name}` };
      }
      return { url: new URL(uri ?? '', base).href };
    }
    case 'eventing.knative.dev/v1alpha1 KafkaSink':
      if (!hasKafkaSink(namespace, ref.name)) {
        return { field: 'ref', problem: `there is no KafkaSink ${namespace}/${ref.name}` };
      }
      return { url: `${kafkaSinksUrl}/${namespace}/${ref.name}` };
    default:
      return { field: 'ref', problem: `${ref.apiVersion} ${ref.kind} is not known here` };
  }
}

/** Where a Knative Service answers within its cluster. */
function inCluster(name: string, namespace: string, domain: string): string {
  return `http://${name}.${namespace}.svc.${domain}`;
}
