// Which system is meant, and by which key its tokens are signed: what the command line says, else
// the environment, else the local runtime that is at work in this checkout.

import { userInfo } from 'node:os';
import { isAlive, readState, stateFolder } from '#knative/local/state.ts';
import { CliError } from './exit.ts';
import { signToken, type TokenClaims } from './sign-token.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** What the command line says about the target. */
export interface TargetOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
}

/** A token that the program makes for itself is only good for one command. */
const ownTokenSeconds = 600;
const keyCharactersMin = 32;

/** The edge's address, without a slash at the end. Throws where none is known. */
export function targetUrl({ url }: TargetOptions, env: Env): string {
  const given = url ?? present(env.SECKILL_URL) ?? localEnv(env).SECKILL_URL;
  if (given === undefined) {
    throw new CliError(
      'no system is known: start one here with `npm start`, or name one with --url or SECKILL_URL',
    );
  }
  const { protocol } = URL.canParse(given) ? new URL(given) : { protocol: '' };
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new CliError(`${given} is no address like https://shop.example`);
  }
  return withoutSlash(given);
}

/** A token with which one command may operate the system at `url`. */
export function operatorToken({ token }: TargetOptions, url: string, env: Env): string {
  const given = token ?? present(env.SECKILL_TOKEN);
  if (given !== undefined) return given;
  const now = Math.floor(Date.now() / 1_000);
  return signToken(signingKey(url, env), {
    ...claimsOf(env),
    userId: present(env.SECKILL_OPERATOR) ?? userInfo().username,
    isOperator: true,
    issuedAt: now,
    expiresAt: now + ownTokenSeconds,
  });
}

/** Issuer and audience that the edge asks for. */
export function claimsOf(env: Env): Pick<TokenClaims, 'issuer' | 'audience'> {
  return {
    issuer: present(env.SECKILL_JWT_ISSUER) ?? 'seckill',
    audience: present(env.SECKILL_JWT_AUDIENCE) ?? 'seckill',
  };
}

/**
 * The key that signs tokens for the system at `url`; without a URL, for the local runtime. The
 * local runtime's key is never used for another system.
 */
export function signingKey(url: string | undefined, env: Env): string {
  const local = localEnv(env);
  const asked = present(url);
  const isLocal = asked === undefined || withoutSlash(asked) === local.SECKILL_URL;
  const key = present(env.SECKILL_JWT_KEY) ?? (isLocal ? local.SECKILL_JWT_KEY : undefined);
  if (key === undefined) {
    throw new CliError(
      'there is no key to sign a token with: set SECKILL_JWT_KEY to the key of the system ' +
        '(the local runtime has one: `npm start`), or bring a token of your identity provider',
    );
  }
  if (key.length < keyCharactersMin) {
    throw new CliError(
      `SECKILL_JWT_KEY is too short: it has at least ${keyCharactersMin} characters`,
    );
  }
  return key;
}

/** How to reach the local runtime; empty where none is at work. */
function localEnv(env: Env): Readonly<Record<string, string>> {
  const { running } = readState(stateFolder(env.SECKILL_STATE_DIR ?? ''));
  return running !== undefined && isAlive(running) ? running.env : {};
}

function withoutSlash(url: string): string {
  return url.replace(/\/+$/, '');
}

function present(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
