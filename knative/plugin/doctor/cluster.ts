// The cluster's part of the check-up: is everything there that the system needs, and does it work?
// It reads only; what the caller may not read is advice, not a fault.

import { type Check, checksOf } from '#lib/diagnosis.ts';
import { progressOf } from '../install/progress.ts';
import { functionSecrets, keyNames, keysSecret } from '../install/secrets.ts';
import { hasKafkaController } from '../install/wait.ts';
import { type Condition, type Kube, KubeError, type KubeObject, kinds } from '../kube/client.ts';
import type { KnativeService } from '../kube/system.ts';
import { checkPods } from './pods.ts';
import { checkSchedules, checkWarmth, isOfSchedule } from './windows.ts';

const say = checksOf('cluster');
const kubernetesMin = [1, 34] as const;
/** Since 1.21 min-scale may be changed on a live Revision. */
const knativeMin = [1, 21] as const;
const servingNamespace = 'knative-serving';
const functionNames = ['ratelimit-edge', 'purchase', 'persist-order', 'update-rank'];
const sourceNames = ['persist-order', 'update-rank'];

interface ConfigMap extends KubeObject {
  readonly data?: Readonly<Record<string, string>>;
}

interface WithConditions extends KubeObject {
  readonly status?: { readonly conditions?: readonly Condition[] };
}

/** All checks of the cluster. Throws KubeError where the API server does not answer. */
export async function checkCluster(kube: Kube): Promise<Check[]> {
  const first = [await checkKubernetes(kube), await checkServing(kube)];
  if (first.some(({ name, result }) => name === 'serving' && result === 'wrong')) return first;
  const looks: [string, () => Promise<Check[]>][] = [
    ['features', () => checkFeatures(kube)],
    ['functions', () => checkFunctions(kube)],
    ['warmth', () => checkWarmth(kube)],
    ['schedules', () => checkSchedules(kube)],
    ['sources', () => checkSources(kube)],
    ['secrets', () => checkSecrets(kube)],
    ['jobs', () => checkJobs(kube)],
    ['pods', () => checkPods(kube)],
    ['rights', () => checkRights(kube)],
  ];
  const found: Check[] = [];
  for (const [name, look] of looks) found.push(...(await unlessForbidden(name, look)));
  return [...first, ...found];
}

async function unlessForbidden(name: string, look: () => Promise<Check[]>): Promise<Check[]> {
  try {
    return await look();
  } catch (error) {
    if (!(error instanceof KubeError) || error.reason !== 'Forbidden') throw error;
    return [
      say.advice(name, {
        found: error.message,
        why: 'so it was not looked at',
        todo: 'bind the Role `seckill-operator` to those who run sales, or ask who runs the cluster',
      }),
    ];
  }
}

async function checkKubernetes(kube: Kube): Promise<Check> {
  const version = await kube.version();
  if (!isOlder(version, kubernetesMin)) return say.ok('kubernetes', version);
  return say.wrong('kubernetes', {
    found: `Kubernetes is ${version}`,
    why: 'Knative 1.23 needs 1.34',
    todo: 'upgrade the cluster',
  });
}

async function checkServing(kube: Kube): Promise<Check> {
  if (!(await kube.serves(kinds.knativeService))) {
    return say.wrong('serving', {
      found: 'there is no Knative Serving',
      why: 'the functions are Knative Services',
      todo: 'install Knative Serving and Eventing 1.23: https://knative.dev/docs/install/',
    });
  }
  const version = await knativeVersion(kube);
  if (version === undefined) return say.ok('serving', 'Knative Serving, of a version not told');
  if (!isOlder(version, knativeMin)) return say.ok('serving', `Knative Serving ${version}`);
  return say.wrong('serving', {
    found: `Knative Serving is ${version}`,
    why: '`scale warm` changes min-scale on the live Revision, which works since 1.21',
    todo: 'upgrade Knative to 1.23',
  });
}

/** As the release labels its configuration; undefined where that may not be read. */
async function knativeVersion(kube: Kube): Promise<string | undefined> {
  const config = await configOf(kube, 'config-autoscaler');
  return config?.metadata.labels?.['app.kubernetes.io/version'];
}

async function configOf(kube: Kube, name: string): Promise<ConfigMap | undefined> {
  try {
    return await kube.get<ConfigMap>({ ...kinds.configMap, name, namespace: servingNamespace });
  } catch (error) {
    if (error instanceof KubeError && error.reason === 'Forbidden') return undefined;
    throw error;
  }
}

async function checkFeatures(kube: Kube): Promise<Check[]> {
  const features = (await configOf(kube, 'config-features'))?.data ?? {};
  const scaling = (await configOf(kube, 'config-autoscaler'))?.data ?? {};
  const checks: Check[] = [];
  if (features['kubernetes.podspec-volumes-emptydir'] === 'disabled') {
    checks.push(
      say.wrong('features', {
        found: 'the feature kubernetes.podspec-volumes-emptydir is disabled',
        why: '`purchase` keeps its write-ahead record in such a volume',
        todo: `enable it in the ConfigMap config-features of ${servingNamespace}`,
      }),
    );
  }
  if (scaling['enable-scale-to-zero'] === 'false') {
    checks.push(
      say.advice('scaling', {
        found: 'scale to zero is disabled in this cluster',
        why: 'the functions cost something between sales, too',
        todo: `set enable-scale-to-zero in the ConfigMap config-autoscaler of ${servingNamespace}`,
      }),
    );
  }
  return checks.length > 0 ? checks : [say.ok('features', 'as they are needed')];
}

async function checkFunctions(kube: Kube): Promise<Check[]> {
  const services = await kube.list<KnativeService>(kinds.knativeService);
  const faults = functionNames.flatMap((name) => {
    const service = services.find(({ metadata }) => metadata.name === name);
    if (service === undefined) return [`${name} is not there`];
    const { state = 'done', text = '' } = progressOf(service) ?? {};
    return state === 'done' ? [] : [`${name}: ${text}`];
  });
  if (faults.length === 0) return [say.ok('functions', 'all four are ready')];
  return [
    say.wrong('functions', {
      found: faults.join('; '),
      why: 'the last release of a function that is not ready takes no traffic',
      todo: `\`kubectl -n ${kube.namespace} describe ksvc NAME\`, and the log of its pods`,
    }),
  ];
}

async function checkSources(kube: Kube): Promise<Check[]> {
  if (!(await kube.serves(kinds.kafkaSource))) return [noSources('there is no KafkaSource')];
  const sources = await kube.list<WithConditions>(kinds.kafkaSource);
  const faults = sourceNames.flatMap((name) => {
    const source = sources.find(({ metadata }) => metadata.name === name);
    if (source === undefined) return [`${name} is not there`];
    const { state = 'done', text = '' } = progressOf(source) ?? {};
    return state === 'done' ? [] : [`${name}: ${text}`];
  });
  if (faults.length === 0) return [say.ok('sources', 'both KafkaSources are ready')];
  if (await hasKafkaController(kube)) {
    return [
      say.wrong('sources', {
        found: faults.join('; '),
        why: 'accepted orders do not become rows, or are not on the leaderboards',
        todo: `\`kubectl -n ${kube.namespace} describe kafkasource\` says what it waits for`,
      }),
    ];
  }
  return [
    noSources('no controller takes care of KafkaSources in this cluster', await runner(kube)),
  ];
}

/** How many source runners are ready, which do a controller's work where there is none. */
async function runner(kube: Kube): Promise<number> {
  const labels = { 'app.kubernetes.io/name': 'source-runner' };
  const pods = await kube.list<WithConditions>(kinds.pod, { labels });
  const isReady = ({ status }: WithConditions) =>
    status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') === true;
  return pods.filter(isReady).length;
}

function noSources(found: string, runners = 0): Check {
  if (runners > 0) {
    return say.advice('sources', {
      found: `${found}; the source runner delivers instead`,
      why: 'it is made for tests: one pod, and no upgrades without a pause in deliveries',
      todo: 'install Knative’s Kafka controller and source: eventing-kafka-broker 1.23',
    });
  }
  return say.wrong('sources', {
    found: `${found}, and no source runner is ready`,
    why: 'accepted orders are kept in Kafka and delivered to nobody: no row, no leaderboard',
    todo:
      'install Knative’s Kafka controller and source (eventing-kafka-broker 1.23), or run the ' +
      'source runner (knative/e2e/source-runner)',
  });
}

async function checkSecrets(kube: Kube): Promise<Check[]> {
  const wanted = { [keysSecret]: keyNames, ...functionSecrets };
  const faults: string[] = [];
  let unread = 0;
  for (const [name, keys] of Object.entries(wanted)) {
    try {
      const secret = await kube.get<ConfigMap>({ ...kinds.secret, name });
      const lacking = keys.filter((key) => !secret?.data?.[key]);
      if (secret === undefined) faults.push(`${name} is not there`);
      // With an issuer of its own nobody signs tokens here.
      else if (lacking.some((key) => key !== 'SECKILL_JWT_KEY')) {
        faults.push(`${name} lacks ${lacking.join(', ')}`);
      }
    } catch (error) {
      if (!(error instanceof KubeError) || error.reason !== 'Forbidden') throw error;
      unread += 1;
    }
  }
  if (faults.length === 0) {
    const rest = unread > 0 ? `; ${unread} are not yours to read` : '';
    return [say.ok('secrets', `they are there${rest}`)];
  }
  return [
    say.wrong('secrets', {
      found: faults.join('; '),
      why: 'a function without its Secret does not start',
      todo: '`kn-seckill install --secrets-only` makes those that can be made, and names the others',
    }),
  ];
}

async function checkJobs(kube: Kube): Promise<Check[]> {
  const jobs = await kube.list<WithConditions>(kinds.job, {
    labels: { 'app.kubernetes.io/part-of': 'seckill' },
  });
  const failed = jobs
    .filter((job) => !isOfSchedule(job))
    .flatMap((job) => {
      const { state, text } = progressOf(job) ?? { state: 'done', text: '' };
      return state === 'failed' ? [`${job.metadata.name}: ${text}`] : [];
    });
  if (failed.length === 0) return [say.ok('jobs', 'none has failed')];
  return [
    say.wrong('jobs', {
      found: failed.join('; '),
      why: 'what it was to make ready is not: tables, topics, users or Secrets',
      todo: `\`kubectl -n ${kube.namespace} logs job/NAME\`, and \`kn-seckill install\` again`,
    }),
  ];
}

/** What operators need, by the commands that need it. */
const rights = [
  ['scale', 'patch', 'revisions.serving.knative.dev'],
  ['sale warm, open, close', 'create', 'pingsources.sources.knative.dev'],
  ['sale close', 'delete', 'pingsources.sources.knative.dev'],
  ['schedule', 'create', 'cronjobs.batch'],
  ['status', 'get', 'pods/proxy'],
] as const;

async function checkRights(kube: Kube): Promise<Check[]> {
  const missing: string[] = [];
  for (const [command, verb, resource] of rights) {
    if (!(await kube.can(verb, resource))) missing.push(`${verb} ${resource} (${command})`);
  }
  if (missing.length === 0) return [say.ok('rights', 'you may do all that a sale needs')];
  return [
    say.advice('rights', {
      found: `you may not ${missing.join(', ')}`,
      why: 'these commands fail for you',
      todo: `bind the Role seckill-operator of the namespace ${kube.namespace} to you`,
    }),
  ];
}

/** Of versions like `v1.34.1` and `1.23.0`; what is no version is not older. */
function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, has, hasMinor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (has === undefined) return false;
  return Number(has) < major || (Number(has) === major && Number(hasMinor) < minor);
}
