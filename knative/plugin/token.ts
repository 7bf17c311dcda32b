// `kn-seckill token`: signs tokens for buyers, and for operators.

import type { Command } from 'commander';
import {
  durationOption,
  type Invocation,
  type Io,
  invocation,
  wholeNumber,
  withExamples,
  withOutput,
} from './command.ts';
import { usageError } from './exit.ts';
import { faultOfUserId, signToken } from './sign-token.ts';
import { signer } from './target.ts';

interface TokenOptions {
  readonly user?: string | undefined;
  readonly operator?: true | undefined;
  readonly count?: number | undefined;
  readonly prefix?: string | undefined;
  readonly ttl: number;
}

const countMax = 1_000_000;

export function addToken(program: Command, io: Io): void {
  const token = program
    .command('token')
    .summary('sign a token for a buyer, many buyers or an operator')
    .description(
      'Signs tokens with SECKILL_JWT_KEY, or with the key of the local runtime or of the cluster. ' +
        'One token a line.',
    )
    .option('--user <id>', 'whom the token is for')
    .option('--operator', 'with the scope `operator`')
    .option('--count <n>', 'that many tokens, for PREFIX1 to PREFIXn', wholeNumber(1, countMax))
    .option('--prefix <p>', 'what the names of these users begin with')
    .addOption(durationOption('--ttl <duration>', 'how long it is good for', '12h'));
  withExamples(
    withOutput(token),
    'token --user ann',
    'token --user me --operator --ttl 1h',
    'token --count 200 --prefix buyer- > tokens.txt',
  ).action(async (options: TokenOptions, command: Command) => {
    await sign(options, invocation(command, io));
  });
}

async function sign(options: TokenOptions, given: Invocation): Promise<void> {
  const { user, operator, count, prefix, ttl } = options;
  const users = usersOf({ user, count, prefix, operator });
  if (ttl < 1_000) throw usageError('--ttl: a token is good for a second at least');
  const { io, isJson } = given;
  const { key, claims: asked } = await signer(given.surroundings);
  const issuedAt = Math.floor(Date.now() / 1_000);
  const expiresAt = issuedAt + Math.floor(ttl / 1_000);
  const claims = { ...asked, isOperator: operator === true, issuedAt, expiresAt };
  const tokens = users.map((userId) => ({
    user: userId,
    token: signToken(key, { ...claims, userId }),
    expiresAt: new Date(expiresAt * 1_000).toISOString(),
  }));
  if (isJson) given.print(count === undefined ? tokens[0] : tokens, () => '');
  else io.out(tokens.map(({ token }) => `${token}\n`).join(''));
}

function usersOf({ user, operator, count, prefix }: Omit<TokenOptions, 'ttl'>): string[] {
  if (user !== undefined && count === undefined && prefix === undefined) {
    const fault = faultOfUserId(user);
    if (fault !== undefined) throw usageError(`--user: it ${fault}`);
    return [user];
  }
  if (user === undefined && count !== undefined && prefix !== undefined && operator !== true) {
    const fault = faultOfUserId(`${prefix}${count}`);
    if (fault !== undefined) throw usageError(`--prefix: a user id ${fault}`);
    return Array.from({ length: count }, (_, index) => `${prefix}${index + 1}`);
  }
  throw usageError('give --user ID [--operator], or --count N with --prefix P; see --help');
}
