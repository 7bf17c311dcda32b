// The command line as a whole: which commands there are, and how whatever happens ends.

import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import type { Io } from './command.ts';
import { CliError, exits } from './exit.ts';
import { addLimits } from './limits.ts';
import { addOrders } from './orders.ts';
import { addReconcile } from './reconcile.ts';
import { addSale } from './sale.ts';
import { addToken } from './token.ts';
import { addVerify } from './verify.ts';

/** Carries out one command line and resolves with the exit status. Never rejects. */
export async function runCli(args: readonly string[], io: Io): Promise<number> {
  try {
    await createProgram(io).parseAsync(args, { from: 'user' });
    return exits.done;
  } catch (error) {
    return statusOf(error, io);
  }
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

function statusOf(error: unknown, io: Io): number {
  // Help and version that were asked for end here too; the rest commander has told already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exits.done : exits.usage;
  if (io.interrupted.aborted) {
    io.err('kn-seckill: ended by you; what was sent may have been done. Run it again to see\n');
    return exits.interrupted;
  }
  if (error instanceof CliError) {
    io.err(`kn-seckill: ${error.message}\n`);
    return error.status;
  }
  io.err(`kn-seckill: ${error instanceof Error ? error.message : String(error)}\n`);
  return exits.failed;
}
