// What all commands have in common: their options, what they are given, and how they print.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { createEdge, type Edge } from './edge.ts';
import type { Kube } from './kube/client.ts';
import { knowsCluster } from './kube/credentials.ts';
import { findTarget, operatorToken, type Surroundings, type Target } from './target.ts';
import { parseDuration, parseMoment } from './time.ts';

/** The terminal that standard output is. */
export interface Terminal {
  columns(): number;
  rows(): number;
  readonly hasColors: boolean;
  /** Calls back whenever its size changes, until what it returns is called. */
  onResize(listener: () => void): () => void;
}

/** The program's surroundings. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Undefined where the output is read by a program, or by a terminal that cannot draw. */
  readonly terminal?: Terminal | undefined;
  /** Asks whoever sits at the terminal for a line; undefined where nobody does. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
}

interface CommonOptions {
  readonly output?: 'json' | 'table';
  readonly url?: string;
  readonly token?: string;
  readonly gateway?: string;
  readonly kubeconfig?: string;
  readonly context?: string;
  readonly namespace?: string;
}

/** One command being carried out. */
export interface Invocation {
  readonly io: Io;
  readonly isJson: boolean;
  /** The system that is meant, asked as an operator. It is found when it is first asked. */
  edge(): Edge;
  /** The cluster that is meant. Throws CliError where none is known. */
  readonly kube: () => Promise<Kube>;
  /** What finds the system and signs for it. */
  readonly surroundings: Surroundings;
  /** The system that is meant. Throws CliError where none is known. */
  readonly target: () => Promise<Target>;
  /** One JSON document in one line, or what people read. */
  print(value: unknown, forPeople: () => string): void;
  /** Says on standard error what is waited for, the same thing only once. */
  readonly say: (text: string) => void;
}

/** Reads the common options of a command that is about to be carried out. */
export function invocation(command: Command, io: Io): Invocation {
  const options = command.optsWithGlobals<CommonOptions>();
  const isJson = options.output === 'json';
  let said = '';
  const say = (text: string) => {
    if (text !== said) io.err(`${text}\n`);
    said = text;
  };
  const surroundings = surroundingsOf(options, io);
  const target = once(() => findTarget(surroundings));
  return {
    ...{ io, isJson, surroundings, target, kube: surroundings.kube },
    edge() {
      const find = async () => {
        const found = await target();
        return { target: found, token: await operatorToken(surroundings, found) };
      };
      return createEdge({ find, interrupted: io.interrupted, say });
    },
    print(value, forPeople) {
      io.out(isJson ? `${JSON.stringify(value)}\n` : forPeople());
    },
    say,
  };
}

function surroundingsOf(options: CommonOptions, { env, interrupted }: Io): Surroundings {
  const { kubeconfig, context, namespace } = options;
  const isNamed = (kubeconfig ?? context ?? namespace) !== undefined;
  const isKnown = isNamed || knowsCluster(options, env);
  return {
    ...{ options, env },
    cluster: isNamed ? 'named' : isKnown ? 'known' : undefined,
    kube: once(async () => {
      const { connectKube } = await import('./kube/client.ts');
      return connectKube({ kubeconfig, context, namespace, interrupted }, env);
    }),
  };
}

/** Does it when it is first asked for. */
function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => (made ??= make());
}

/** Adds `-o`; every command has it. */
export function withOutput(command: Command): Command {
  return command.addOption(
    new Option('-o, --output <format>', 'how to print').choices(['table', 'json']),
  );
}

/** Adds what a command needs that asks the system. */
export function withTarget(command: Command): Command {
  return withOutput(command)
    .option('--url <url>', 'address of the system (else SECKILL_URL, the local runtime, the route)')
    .option('--token <jwt>', 'operator token (else SECKILL_TOKEN, else signed by SECKILL_JWT_KEY)');
}

/** Adds, for all commands, which cluster is meant. */
export function withCluster(program: Command): Command {
  return program
    .option('--kubeconfig <file>', 'how to reach the cluster (else KUBECONFIG, ~/.kube/config)')
    .option('--context <name>', 'which context of the kubeconfig (else its current one)')
    .option('-n, --namespace <name>', 'namespace of the system in the cluster (else seckill)')
    .option(
      '--gateway <url>',
      "the gateway's address, where the route's name is in no DNS (else SECKILL_GATEWAY)",
    );
}

/** Shows examples below the help of a command. */
export function withExamples(command: Command, ...lines: readonly string[]): Command {
  const text = lines.map((line) => `  $ kn-seckill ${line}`).join('\n');
  return command.addHelpText('after', `\nExamples:\n${text}`);
}

/** Parsers of option values; what cannot be read is an error of usage. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
  };
}

/** An option whose value is a duration; the program gets milliseconds. */
export function durationOption(flags: string, description: string, preset: string): Option {
  return new Option(flags, description).argParser(duration).default(parseDuration(preset), preset);
}

function duration(text: string): number {
  const value = parseDuration(text);
  if (value !== undefined) return value;
  throw new InvalidArgumentError('It is a duration like 10s, 5m or 12h.');
}

/** ISO 8601 in UTC. */
export function moment(text: string): string {
  const value = parseMoment(text, Date.now());
  if (value !== undefined) return value;
  throw new InvalidArgumentError(
    'It is now, +10s, +5m, or a time with its zone like 2026-11-22T20:00:00+08:00.',
  );
}
