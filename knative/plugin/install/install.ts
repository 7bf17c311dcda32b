// `kn-seckill install`: puts an overlay into a cluster, Secrets first, and waits until it works.

import type { Command } from 'commander';
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  withExamples,
  withOutput,
} from '../command.ts';
import { CliError, usageError } from '../exit.ts';
import {
  type Kube,
  KubeError,
  type KubeObject,
  type KubeRef,
  kinds,
  type WriteOptions,
} from '../kube/client.ts';
import { routeOf } from '../kube/system.ts';
import { list, table } from '../table.ts';
import { type Applied, applyObject } from './apply.ts';
import { lookForOthers, secretsReferredTo } from './references.ts';
import { overlayFolder, renderOverlay } from './render.ts';
import { makeSecrets, remarksOn, type SecretResult, unfitOf } from './secrets.ts';
import { describe, waitForAll } from './wait.ts';

interface InstallOptions {
  readonly secretsOnly?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly wait: number;
}

const overlayPreset = 'three-node';
/** What it does is done here, before anything waits for it. */
const secretsJob = 'make-secrets';

export function addInstall(program: Command, io: Io): void {
  const install = program
    .command('install')
    .summary('put the system into a cluster, or its next release')
    .description(
      'Applies an overlay (three-node, dev, bring-your-own, or a folder of your own) to the ' +
        'cluster, Secrets first: those that are missing are made here with random values, those ' +
        'that exist are never changed. Waits until the stores, the Jobs, the functions and the ' +
        'sources are ready. Safe to repeat; an upgrade is the same command from the next release.',
    )
    .argument('[overlay]', `name or folder (else ${overlayPreset})`)
    .option('--secrets-only', 'make the Secrets that are missing (of the overlay, if one is named)')
    .option('--dry-run', 'tell what would be made or changed, and change nothing')
    .option('-y, --yes', 'do not ask')
    .addOption(durationOption('--wait <duration>', 'until everything is ready', '20m'));
  withExamples(
    withOutput(install),
    'install --dry-run',
    'install three-node --context shop',
    'install ./my-overlay --yes',
  ).action(async (overlay: string | undefined, options: InstallOptions, command: Command) => {
    const given = invocation(command, io);
    const kube = await given.kube();
    if (options.secretsOnly) {
      const objects = overlay === undefined ? [] : await renderOverlay(overlayFolder(overlay));
      requireNamespace(objects, kube);
      await installSecrets(kube, objects, options.dryRun === true, given);
    } else await installOverlay(overlay ?? overlayPreset, options, kube, given);
  });
}

async function installSecrets(
  kube: Kube,
  objects: readonly KubeObject[],
  dryRun: boolean,
  given: Invocation,
): Promise<void> {
  const secrets = await secretsOf(withPlanned(kube, objects), objects, { dryRun });
  warnOf(secrets, kube, given);
  const ok = unfitOf(secrets).length === 0;
  given.print({ ok, secrets }, () => showSecrets(secrets, dryRun ? 'WOULD BE' : 'RESULT'));
  requireFit(secrets);
}

/** Makes those that can be made, and looks for the others that the objects refer to. */
async function secretsOf(
  kube: Kube,
  objects: readonly KubeObject[],
  options: WriteOptions = {},
): Promise<SecretResult[]> {
  const made = await makeSecrets(kube, options);
  return [...made, ...(await lookForOthers(kube, secretsReferredTo(objects), made))];
}

function warnOf(secrets: readonly SecretResult[], { namespace }: Kube, given: Invocation): void {
  for (const remark of remarksOn(secrets, namespace)) given.say(`warning: ${remark}`);
}

function requireFit(secrets: readonly SecretResult[]): void {
  const unfit = unfitOf(secrets).map(({ name }) => name);
  if (unfit.length === 0) return;
  throw new CliError(
    `Secrets are missing or lack keys, without which no function starts: ${unfit.join(', ')}. ` +
      'Make them as said above (URLs of your stores, with the user of each function), and run ' +
      'this again',
  );
}

async function installOverlay(
  overlay: string,
  options: InstallOptions,
  kube: Kube,
  given: Invocation,
): Promise<void> {
  const all = await renderOverlay(overlayFolder(overlay));
  const objects = all.filter(
    ({ kind, metadata }) => kind !== 'Job' || metadata.name !== secretsJob,
  );
  requireNamespace(objects, kube);
  await requireKnative(kube);
  if (options.dryRun) {
    const plan = await planOf(kube, objects, given);
    const secrets = await secretsOf(withPlanned(kube, objects), objects, { dryRun: true });
    showPlan(plan, secrets, kube, given);
    return;
  }
  await confirm(overlay, objects, kube, options.yes === true, given);
  const { applied, secrets } = await apply(kube, objects, given);
  const waiting = {
    timeoutMs: options.wait,
    interrupted: given.io.interrupted,
    say: (text: string) => {
      given.say(text);
    },
  };
  const { pending, remarks } = await waitForAll(kube, objects, waiting);
  const url = await routeOf(kube).catch(() => null);
  const ok = pending.length === 0;
  const told = { ok, namespace: kube.namespace, url, secrets, objects: applied, pending, remarks };
  for (const remark of remarks) given.say(`warning: ${remark}`);
  given.print(told, () => (ok ? showEnd(applied, url, kube) : ''));
  if (ok) return;
  throw new CliError(
    `not everything is ready: ${describe(pending)}. It stays as it is; \`kn-seckill doctor\` ` +
      'tells more, and running this again goes on waiting',
  );
}

/** Overlays say their namespace themselves: another one than ours would be a half-made system. */
function requireNamespace(objects: readonly KubeObject[], { namespace }: Kube): void {
  const named = objects.find(({ kind }) => kind === 'Namespace')?.metadata.name;
  const theirs = named ?? objects.find(({ metadata }) => metadata.namespace)?.metadata.namespace;
  if (theirs === undefined || theirs === namespace) return;
  throw usageError(`the overlay is for the namespace ${theirs}: say -n ${theirs}`);
}

async function requireKnative(kube: Kube): Promise<void> {
  if (await kube.serves(kinds.knativeService)) return;
  throw new CliError(
    `${kube.context} has no Knative Serving: install it first ` +
      '(https://knative.dev/docs/install/), with Eventing and its Kafka source',
  );
}

async function planOf(
  kube: Kube,
  objects: readonly KubeObject[],
  { io }: Invocation,
): Promise<Applied[]> {
  const plan: Applied[] = [];
  for (const object of objects) {
    const { kind, metadata } = object;
    const { name } = metadata;
    try {
      const options = { dryRun: true, interrupted: io.interrupted };
      plan.push(await applyObject(kube, object, options));
    } catch (error) {
      if (!(error instanceof KubeError)) throw error;
      // What needs an object that the plan itself would make cannot be checked yet.
      const isFirst = plan.some(({ result }) => result === 'made');
      if (isFirst && /not found/.test(error.message)) plan.push({ kind, name, result: 'made' });
      else plan.push({ kind, name, result: 'refused', reason: error.message });
    }
  }
  return plan;
}

/** What the overlay itself brings is there by the time that Secrets are made. */
function withPlanned(kube: Kube, objects: readonly KubeObject[]): Kube {
  return {
    ...kube,
    async get<T extends KubeObject>(ref: KubeRef) {
      const planned = objects.find(
        ({ kind, metadata }) => kind === ref.kind && metadata.name === ref.name,
      );
      return (planned as T | undefined) ?? kube.get<T>(ref);
    },
  };
}

function showPlan(
  plan: readonly Applied[],
  secrets: readonly SecretResult[],
  kube: Kube,
  given: Invocation,
): void {
  const refused = plan.filter(({ result }) => result === 'refused');
  const ok = refused.length === 0 && unfitOf(secrets).length === 0;
  warnOf(secrets, kube, given);
  given.print({ ok, secrets, objects: plan }, () =>
    table(
      ['WOULD BE', 'KIND', 'NAME', ''],
      [
        ...secrets.map(({ name, result }) => [result, 'Secret', name, '']),
        ...plan.map(({ result, kind, name, reason = '' }) => [result, kind, name, reason]),
      ],
    ),
  );
  if (refused.length > 0) throw new CliError(`${refused.length} objects would be refused`);
  requireFit(secrets);
}

async function confirm(
  overlay: string,
  objects: readonly KubeObject[],
  { context, server, namespace }: Kube,
  isSure: boolean,
  { io }: Invocation,
): Promise<void> {
  if (isSure) return;
  const what = `${objects.length} objects of ${overlay} into the namespace ${namespace} of ${context}`;
  if (io.ask === undefined) throw usageError(`this puts ${what}: say --yes`);
  const answer = await io.ask(`Put ${what} (${server})? [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new CliError('nothing was changed');
}

const firstKinds: ReadonlySet<string> = new Set(['Namespace', 'ConfigMap', 'Secret']);

/** Up to the overlay's own ConfigMaps and Secrets, then those to be made, then what starts pods. */
async function apply(
  kube: Kube,
  objects: readonly KubeObject[],
  given: Invocation,
): Promise<{ applied: Applied[]; secrets: SecretResult[] }> {
  const last = objects.findLastIndex(({ kind }) => firstKinds.has(kind));
  const applied: Applied[] = [];
  const one = async (object: KubeObject) => {
    given.say(`applying: ${object.kind} ${object.metadata.name}`);
    applied.push(await applyObject(kube, object, { interrupted: given.io.interrupted }));
  };
  for (const object of objects.slice(0, last + 1)) await one(object);
  const secrets = await secretsOf(kube, objects);
  warnOf(secrets, kube, given);
  requireFit(secrets);
  for (const object of objects.slice(last + 1)) await one(object);
  return { applied, secrets };
}

function showSecrets(secrets: readonly SecretResult[], heading: string): string {
  return table(
    ['SECRET', heading],
    secrets.map(({ name, result }) => [name, result]),
  );
}

function showEnd(applied: readonly Applied[], url: string | null, { namespace }: Kube): string {
  const count = (wanted: Applied['result']) =>
    applied.filter(({ result }) => result === wanted).length;
  const figures = list([
    ['objects', `${count('made')} made, ${count('changed')} changed, ${count('same')} as before`],
    ['shop', url ?? `see \`kubectl -n ${namespace} get ksvc ratelimit-edge\``],
  ]);
  const own = namespace === 'seckill' ? '' : ` -n ${namespace}`;
  return (
    `The system is ready.\n${figures}` +
    'What next:\n' +
    `  kn-seckill doctor${own}\n` +
    `  kn-seckill sale create PRODUCT --name NAME --stock N --price CENTS --limit N${own}\n` +
    `  kn-seckill sale open PRODUCT${own}\n`
  );
}
