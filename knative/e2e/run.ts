// Runs a program and gives back all it said. Programs are ended with the run that began them.

import { execFile } from 'node:child_process';

export interface Ran {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it reads from standard input. */
  readonly input?: string;
  readonly signal?: AbortSignal;
}

const outputBytesMax = 256 * 1_024 * 1_024;

/** Resolves with the exit status, whatever it is; rejects where the program cannot be run. */
export function run(
  command: string,
  args: readonly string[],
  { env, input, signal }: RunOptions = {},
): Promise<Ran> {
  return new Promise((done, fail) => {
    const options = { env: { ...process.env, ...env }, maxBuffer: outputBytesMax, signal };
    const child = execFile(command, args, options, (error, stdout, stderr) => {
      const status = error === null ? 0 : error.code;
      if (typeof status === 'number') done({ status, stdout, stderr });
      else
        fail(new Error(`${command} could not be run: ${error?.message ?? ''}`, { cause: error }));
    });
    // A program that ends without reading it says so by its status.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}

/** What it printed; rejects with what it said where it failed. */
export async function output(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const { status, stdout, stderr } = await run(command, args, options);
  if (status === 0) return stdout;
  const said = stderr.trim() || stdout.trim();
  throw new Error(`${command} ${args.slice(0, 6).join(' ')} … exited ${status}: ${said}`);
}
