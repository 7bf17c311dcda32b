// What all commands have in common: their options, what they are given, and how they print.

import { type Command, InvalidArgumentError, Option } from 'commander';
import { createEdge, type Edge } from './edge.ts';
import { operatorToken, targetUrl } from './target.ts';
import { parseDuration, parseMoment } from './time.ts';

/** The program's surroundings. */
export interface Io {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** Aborted by Ctrl-C. */
  readonly interrupted: AbortSignal;
  /** Asks whoever sits at the terminal for a line; undefined where nobody does. */
  readonly ask?: ((question: string) => Promise<string>) | undefined;
}

interface CommonOptions {
  readonly output?: 'json' | 'table';
  readonly url?: string;
  readonly token?: string;
}

/** One command being carried out. */
export interface Invocation {
  readonly io: Io;
  readonly isJson: boolean;
  /** The system that is meant, asked as an operator. Throws where none is known. */
  edge(): Edge;
  /** One JSON document in one line, or what people read. */
  print(value: unknown, forPeople: () => string): void;
  /** Says on standard error what is waited for, the same thing only once. */
  say(text: string): void;
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
  return {
    io,
    isJson,
    edge() {
      const url = targetUrl(options, io.env);
      const token = operatorToken(options, url, io.env);
      return createEdge({ url, token, interrupted: io.interrupted, say });
    },
    print(value, forPeople) {
      io.out(isJson ? `${JSON.stringify(value)}\n` : forPeople());
    },
    say,
  };
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
    .option('--url <url>', 'address of the system (else SECKILL_URL, else the local runtime)')
    .option('--token <jwt>', 'operator token (else SECKILL_TOKEN, else signed by SECKILL_JWT_KEY)');
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
