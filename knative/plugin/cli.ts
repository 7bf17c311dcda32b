// The command line as a whole: which commands there are, and how whatever happens ends.

import { Command, CommanderError } from 'commander';
import { OUTCOMES } from '#lib/outcome.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { type Io, withCluster } from './command.ts';
import { addDeadLetters } from './dead-letters.ts';
import { addDoctor } from './doctor/doctor.ts';
import { addErase } from './erase.ts';
import { CliError, exits, usageError } from './exit.ts';
import { addInstall } from './install/install.ts';
import { addLimits } from './limits.ts';
import { addOrders } from './orders.ts';
import { addReconcile } from './reconcile.ts';
import { addSale } from './sale.ts';
import { addScale } from './scale.ts';
import { addSchedule } from './schedule.ts';
import { addStatus } from './status.ts';
import { addToken } from './token.ts';
import { addVerify } from './verify.ts';

/**
 * Carries out one command line and resolves with the exit status. Never rejects. Whoever asks for
 * JSON gets one document, whatever happens: what was asked for, or a problem.
 */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  let outputs = 0;
  const out = (text: string) => {
    outputs += 1;
    io.out(text);
  };
  try {
    await createProgram({ ...io, out }).parseAsync(args, { from: 'user' });
    return exits.done;
  } catch (error) {
    const failure = failureOf(error, io);
    if (failure === undefined) return exits.done;
    // The rest commander has told already.
    if (!(error instanceof CommanderError)) io.err(`kn-seckill: ${failure.message}\n`);
    if (outputs === 0 && asksForJson(args)) io.out(`${JSON.stringify(problemOf(failure))}\n`);
    return failure.status;
  }
}

/** Also of a command line that cannot be read as a whole. */
function asksForJson(args: readonly string[]): boolean {
  return args.some(
    (arg, index) =>
      ['--output=json', '-ojson'].includes(arg) ||
      (['--output', '-o'].includes(arg) && args[index + 1] === 'json'),
  );
}

function createProgram(io: Io): Command {
  const program = withCluster(new Command('kn-seckill'))
    .description('Operates flash sales. Also called as `kn seckill`.')
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .configureHelp({ showGlobalOptions: true })
    .addHelpText('after', helpText);
  program.commandsGroup('Sale Commands:');
  addSale(program, io);
  addStatus(program, io);
  addVerify(program, io);
  addReconcile(program, io);
  addOrders(program, io);
  addDeadLetters(program, io);
  addLimits(program, io);
  program.commandsGroup('Cluster Commands:');
  addInstall(program, io);
  addDoctor(program, io);
  addSchedule(program, io);
  addScale(program, io);
  program.commandsGroup('Other Commands:');
  addToken(program, io);
  addErase(program, io);
  return program;
}

const helpText = `
From an empty cluster to the end of a sale:
  $ kn-seckill install three-node && kn-seckill doctor
  $ kn-seckill sale create phone --name Phone --stock 1000 --price 199900 --limit 1 \\
      --opens 2026-12-01T20:00:00+08:00 --closes 2026-12-01T20:30:00+08:00
  $ kn-seckill schedule phone            # instances come before it opens, and go afterwards
  $ kn-seckill status phone --watch      # while it lasts
  $ kn-seckill verify phone              # nothing oversold, nothing lost

Which system: --url, else SECKILL_URL, else the local runtime that \`npm start\` began, else the
Knative route in the cluster of the kubeconfig. An option that names a cluster means that cluster.
Exit status: 0 it did what was asked, 1 it did not (verify, reconcile: a promise is broken;
doctor: something is wrong), 2 they could not tell, 64 the command line is wrong, 130 ended by Ctrl-C.`;

/** Undefined where help was asked for, or the version. */
function failureOf(error: unknown, { interrupted }: Io): CliError | undefined {
  if (error instanceof CommanderError) {
    return error.exitCode === 0 ? undefined : usageError(error.message);
  }
  const isTold = error instanceof CliError && error.status === exits.interrupted;
  if (interrupted.aborted && !isTold) {
    const told = 'ended by you; what was sent may have been done. Run it again to see';
    return new CliError(told, exits.interrupted);
  }
  if (error instanceof CliError) return error;
  return new CliError(error instanceof Error ? error.message : String(error));
}

/** As RFC 9457 has it, like the edge's own; `ok` as in what `verify` and `reconcile` find. */
function problemOf({ status, message, members, outcome: known }: CliError): object {
  const outcome = known ?? outcomes[status] ?? 'failed';
  const title = titles[outcome] ?? titles['failed'];
  const type = `urn:seckill:${outcome}`;
  return { ok: false, type, title, outcome, detail: message, ...members };
}

const outcomes: Readonly<Record<number, string>> = {
  [exits.unknown]: 'unknown',
  [exits.usage]: 'usage',
  [exits.interrupted]: 'interrupted',
};
const titles: Readonly<Record<string, string>> = {
  failed: 'It was not done',
  unknown: 'It could not be told',
  usage: 'The command line is wrong',
  interrupted: 'Ended by Ctrl-C',
  unreachable: 'The system does not answer',
  unknown_product: OUTCOMES.unknown_product.title,
};
