// The command line as a whole: which commands there are, and how whatever happens ends.

import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import type { Io } from './command.ts';
import { EdgeError } from './edge.ts';
import { CliError, exits } from './exit.ts';
import { addLimits } from './limits.ts';
import { addOrders } from './orders.ts';
import { addReconcile } from './reconcile.ts';
import { addSale } from './sale.ts';
import { addToken } from './token.ts';
import { addVerify } from './verify.ts';

/** Carries out one command line and resolves with the exit status. Never rejects. */
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
    const { status, ...failure } = endingOf(error, io);
    if (status === exits.done) return status;
    // The rest commander has told already.
    if (!(error instanceof CommanderError)) io.err(`kn-seckill: ${failure.error}\n`);
    // Also who asked for JSON gets one document, whatever happens.
    if (outputs === 0 && asksForJson(args)) io.out(`${JSON.stringify(failure)}\n`);
    return status;
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
  const program = new Command('kn-seckill')
    .description('Operates flash sales. Also called as `kn seckill`.')
    .version(packageJson.version)
    .exitOverride()
    .configureOutput({ writeOut: io.out, writeErr: io.err })
    .addHelpText('after', helpText);
  addToken(program, io);
  addSale(program, io);
  addOrders(program, io);
  addLimits(program, io);
  addVerify(program, io);
  addReconcile(program, io);
  return program;
}

const helpText = `
Which system: --url, else SECKILL_URL, else the local runtime that \`npm start\` began.
Exit status: 0 it did what was asked, 1 it did not (verify, reconcile: a promise is broken),
2 they could not tell, 64 the command line is wrong, 130 ended by Ctrl-C.`;

interface Ending {
  readonly status: number;
  /** Stable; where the system has answered, the `outcome` of its problem. */
  readonly outcome: string;
  /** One line: what is wrong and what to do. */
  readonly error: string;
}

function endingOf(error: unknown, io: Io): Ending {
  if (error instanceof CommanderError) {
    // Help and version that were asked for end here, too.
    const status = error.exitCode === 0 ? exits.done : exits.usage;
    return { status, outcome: 'usage', error: error.message };
  }
  if (io.interrupted.aborted) {
    const told = 'ended by you; what was sent may have been done. Run it again to see';
    return { status: exits.interrupted, outcome: 'interrupted', error: told };
  }
  const text = error instanceof Error ? error.message : String(error);
  if (!(error instanceof CliError)) return { status: exits.failed, outcome: 'failed', error: text };
  const { status } = error;
  const outcome = error instanceof EdgeError ? error.outcome : undefined;
  return { status, outcome: outcome ?? (status === exits.usage ? 'usage' : 'failed'), error: text };
}
