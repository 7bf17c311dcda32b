// The program behind `kn-seckill`. Node 24 runs it as it is; the launcher beside it sees to that.

import { createInterface } from 'node:readline/promises';
import { runCli } from './cli.ts';
import type { Terminal } from './command.ts';

const interrupt = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupt.abort();
  });
}
// Whoever reads our output may have read enough (`| head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1);
});

async function ask(question: string): Promise<string> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return await terminal.question(question, { signal: interrupt.signal });
  } finally {
    terminal.close();
  }
}

async function main(): Promise<void> {
  function terminalOf(stream: NodeJS.WriteStream): Terminal | undefined {
    if (!stream.isTTY || process.env.TERM === 'dumb') return undefined;
    return {
      columns: () => stream.columns,
      rows: () => stream.rows,
      hasColors: stream.hasColors(),
      onResize(listener) {
        stream.on('resize', listener);
        return () => stream.off('resize', listener);
      },
    };
  }

  process.exitCode = await runCli(process.argv.slice(2), {
    env: process.env,
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    interrupted: interrupt.signal,
    terminal: terminalOf(process.stdout),
    ask: process.stdin.isTTY && process.stderr.isTTY ? ask : undefined,
  });
}

// Not awaited here: the image's bundle is CommonJS, which cannot. Whatever is thrown ends us.
void main();
