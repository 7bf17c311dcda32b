// `kn-seckill doctor`: what is missing or wrongly set, in the cluster and in the stores, why that
// matters and what to do. Exits 0 where all is well, 1 where something is wrong, 2 where it could
// not tell.

import type { Command } from 'commander';
import { type Check, checksOf, type Diagnosis, diagnosisOf } from '#lib/diagnosis.ts';
import { type Invocation, type Io, invocation, withExamples, withTarget } from '../command.ts';
import { EdgeError } from '../edge.ts';
import { CliError, exits } from '../exit.ts';
import type { Kube } from '../kube/client.ts';
import type { Sale } from '../show-sale.ts';
import { printable } from '../table.ts';
import { checkCluster } from './cluster.ts';
import { checkTick } from './tick.ts';

/** The stores are looked at with time-outs of their own; and it may be asked from zero. */
const timeoutMs = 60_000;
/** Half of what asking took is what the other clock may be off by. */
const skewMaxMs = 2_000;

export function addDoctor(program: Command, io: Io): void {
  const doctor = program
    .command('doctor')
    .summary('say what is missing or wrongly set, and what to do')
    .description(
      'Looks at the cluster (versions, functions, sources, Secrets, Jobs, pods, the tick, your ' +
        'rights) and at the stores (reachable, durable, never evicting, replicated, migrated, ' +
        'clocks), and at what settled sales have left behind. Changes nothing; wakes the ' +
        'functions that it asks. Exits 0: all is well; 1: something is wrong; 2: it could not tell.',
    );
  withExamples(withTarget(doctor), 'doctor', 'doctor -o json --context shop').action(
    async (_options: unknown, command: Command) => {
      const given = invocation(command, io);
      const diagnosis = diagnosisOf(new Date(), await examine(given));
      given.print(diagnosis, () => showDiagnosis(diagnosis));
      endWith(diagnosis);
    },
  );
}

async function examine(given: Invocation): Promise<Check[]> {
  const checks: Check[] = [];
  const kube = await clusterOf(given);
  if (kube !== undefined) checks.push(...(await lookAtCluster(kube, given)));
  given.say('asking the system about its stores');
  return [...checks, ...(await lookAtSystem(kube, given))];
}

/** The cluster that the system is in; undefined where it is in none, as far as is known. */
async function clusterOf(given: Invocation): Promise<Kube | undefined> {
  const { cluster } = given.surroundings;
  if (cluster === undefined) return undefined;
  if (cluster === 'named') return given.kube();
  // Of an address alone, nobody knows in which cluster it is.
  const kind = await given.target().then(
    (target) => target.kind,
    () => 'cluster' as const,
  );
  return kind === 'cluster' ? given.kube() : undefined;
}

async function lookAtCluster(kube: Kube, given: Invocation): Promise<Check[]> {
  given.say(`looking at the namespace ${kube.namespace} of ${kube.context}`);
  try {
    return await checkCluster(kube);
  } catch (error) {
    given.io.interrupted.throwIfAborted();
    if (!(error instanceof CliError)) throw error;
    return [
      checksOf('cluster').unknown('reachable', {
        found: error.message,
        why: 'nothing can be told about the cluster',
        todo: 'see that KUBECONFIG or --context names the right cluster, and that it runs',
      }),
    ];
  }
}

async function lookAtSystem(kube: Kube | undefined, given: Invocation): Promise<Check[]> {
  const say = checksOf('system');
  try {
    const edge = given.edge();
    const askedAt = Date.now();
    const path = '/operator/doctor';
    const diagnosis = await edge.ask<Diagnosis>({ method: 'GET', path, timeoutMs });
    if (typeof diagnosis.ok !== 'boolean') {
      throw new EdgeError('the system did not answer as seckill does. Is it the right address?');
    }
    const clock = judgeClock(Date.parse(diagnosis.at), askedAt, Date.now());
    const { sales } = await edge.ask<{ sales: Sale[] }>({ method: 'GET', path: '/operator/sales' });
    const tick = kube === undefined ? [] : [await checkTick(kube, sales)];
    return [say.ok('reachable', 'it answers'), clock, ...tick, ...diagnosis.checks];
  } catch (error) {
    given.io.interrupted.throwIfAborted();
    if (!(error instanceof CliError)) throw error;
    const isOlder = error.outcome === 'not_found';
    return [
      say.unknown('reachable', {
        found: isOlder ? 'the release that runs has no check-up of its stores' : error.message,
        why: 'the stores are looked at from inside, by `purchase`: nothing can be told about them',
        todo: 'mend what is said above first; a function that is not ready says why in its log',
      }),
    ];
  }
}

/** Times like `+10s`, and the ages of tokens, go by the clock here. */
export function judgeClock(theirsMs: number, askedAtMs: number, answeredAtMs: number): Check {
  const say = checksOf('system');
  const aheadMs = Math.max(askedAtMs - theirsMs, theirsMs - answeredAtMs, 0);
  if (aheadMs <= skewMaxMs) return say.ok('clock', 'the clock here agrees with theirs');
  return say.wrong('clock', {
    found: `the clock here is ${(aheadMs / 1_000).toFixed(1)} s off that of the functions`,
    why: 'times like +10s and the life of tokens go by the clock here',
    todo: 'keep this machine’s clock by NTP',
  });
}

function endWith({ checks }: Diagnosis): void {
  const count = (wanted: Check['result']) =>
    checks.filter(({ result }) => result === wanted).length;
  const wrong = count('wrong');
  const unknown = count('unknown');
  if (wrong > 0) {
    throw new CliError(`${wrong} ${wrong === 1 ? 'thing is' : 'things are'} wrong`, exits.failed);
  }
  if (unknown > 0) throw new CliError(`${unknown} checks could not tell`, exits.unknown);
}

const words: Readonly<Record<Check['result'], string>> = {
  ok: 'ok',
  advice: 'advice',
  wrong: 'WRONG',
  unknown: 'UNKNOWN',
};
const wordWidth = 9;

function showDiagnosis({ checks }: Diagnosis): string {
  const lines = checks.flatMap(({ area, name, result, found, why, todo }) => [
    `${words[result].padEnd(wordWidth)}${area} ${name}: ${printable(found)}`,
    ...(why === undefined ? [] : [`${' '.repeat(wordWidth)}why: ${printable(why)}`]),
    ...(todo === undefined ? [] : [`${' '.repeat(wordWidth)}do:  ${printable(todo)}`]),
  ]);
  const well = checks.filter(({ result }) => result === 'ok').length;
  return `${lines.join('\n')}\n${well} of ${checks.length} checks are well.\n`;
}
