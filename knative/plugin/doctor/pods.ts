// Pods that do not come up, and why.

import { type Check, checksOf } from '#lib/diagnosis.ts';
import { type Condition, type Kube, type KubeObject, kinds } from '../kube/client.ts';

interface ContainerState {
  readonly waiting?: { readonly reason?: string; readonly message?: string };
}

interface Pod extends KubeObject {
  readonly status?: {
    readonly phase?: string;
    readonly conditions?: readonly Condition[];
    readonly containerStatuses?: readonly ContainerStatus[];
    readonly initContainerStatuses?: readonly ContainerStatus[];
  };
}

interface ContainerStatus {
  readonly name: string;
  readonly restartCount?: number;
  readonly state?: ContainerState;
}

const say = checksOf('cluster');
const part = { 'app.kubernetes.io/part-of': 'seckill' };
const namedMax = 5;
/** A pod that is being made waits, too; these don't pass by themselves. */
const stuck: Readonly<Record<string, string>> = {
  CrashLoopBackOff: 'see its log',
  ImagePullBackOff: 'see that the image is in the registry, and that it may be pulled',
  ErrImagePull: 'see that the image is in the registry, and that it may be pulled',
  InvalidImageName: 'mend the name of the image',
  CreateContainerConfigError: 'see that its Secret and ConfigMap are there, with all their keys',
  CreateContainerError: 'see its events',
};

interface PodFault {
  readonly name: string;
  readonly reason: string;
  readonly todo: string;
}

/** The pods of the system that do not run, and do not come to run by themselves. */
export async function podFaults(kube: Kube): Promise<PodFault[]> {
  return faultsOf(await kube.list<Pod>(kinds.pod, { labels: part }));
}

function faultsOf(pods: readonly Pod[]): PodFault[] {
  return pods.flatMap((pod) => {
    const fault = faultOf(pod);
    return fault ? [{ ...fault, name: pod.metadata.name }] : [];
  });
}

export async function checkPods(kube: Kube): Promise<Check[]> {
  const pods = await kube.list<Pod>(kinds.pod, { labels: part });
  const faults = faultsOf(pods);
  if (faults.length === 0) return [say.ok('pods', `${pods.length} pods, none in trouble`)];
  const told = faults.slice(0, namedMax).map(({ name, reason }) => `${name}: ${reason}`);
  const more = faults.length > namedMax ? [`and ${faults.length - namedMax} more`] : [];
  return [
    say.wrong('pods', {
      found: [...told, ...more].join('; '),
      why: 'they do not run, and do not come to run by themselves',
      todo: [...new Set(faults.map(({ todo }) => todo))].join('; '),
    }),
  ];
}

function faultOf({ status }: Pod): { readonly reason: string; readonly todo: string } | undefined {
  const unscheduled = status?.conditions?.find(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'Unschedulable',
  );
  if (unscheduled) {
    const reason = `no node takes it: ${unscheduled.message ?? ''}`;
    return { reason, todo: 'give the cluster room, or volumes, or lower what is requested' };
  }
  const containers = [
    ...(status?.initContainerStatuses ?? []),
    ...(status?.containerStatuses ?? []),
  ];
  for (const { name, state } of containers) {
    const { reason = '', message } = state?.waiting ?? {};
    const todo = stuck[reason];
    if (todo !== undefined) return { reason: [reason, message ?? name].join(', '), todo };
  }
  return undefined;
}
