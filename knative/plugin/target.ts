// Which system is meant, and by which key its tokens are signed: what the command line says, else
// the environment, else the local runtime at work in this checkout, else the cluster's own route.

import { userInfo } from 'node:os';
import { isAlive, readState, stateFolder } from '#knative/local/state.ts';
import { CliError } from './exit.ts';
import type { Kube } from './kube/client.ts';
import { issuerOf, keyOf, routeOf } from './kube/system.ts';
import { signToken, type TokenClaims } from './sign-token.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** What the command line says about the target. */
export interface TargetOptions {
  readonly url?: string | undefined;
  readonly token?: string | undefined;
  readonly gateway?: string | undefined;
}

/** What the program was called with. */
export interface Surroundings {
  readonly options: TargetOptions;
  readonly env: Env;
  /** The cluster that the command line names, or the environment; undefined where neither does. */
  readonly cluster: 'named' | 'known' | undefined;
  readonly kube: () => Promise<Kube>;
}

export interface Target {
  /** The edge's address, without a slash at the end. */
  readonly url: string;
  /** `url` is one that was given; `cluster` was found by its route. */
  readonly kind: 'local' | 'url' | 'cluster';
  /** Where requests are sent instead, in the name of `url`'s host. */
  readonly gateway: string | undefined;
}

/** A token that the program makes for itself is only good for one command. */
const ownTokenSeconds = 600;
const keyCharactersMin = 32;

/** Throws CliError where no system is known. */
export async function findTarget({ options, env, cluster, kube }: Surroundings): Promise<Target> {
  const gateway = addressOf(options.gateway ?? present(env.SECKILL_GATEWAY));
  const given = addressOf(options.url ?? present(env.SECKILL_URL));
  if (given !== undefined) {
    return { url: given, gateway, kind: given === localEnv(env).SECKILL_URL ? 'local' : 'url' };
  }
  const isClusterMeant = cluster === 'named' || gateway !== undefined;
  const local = addressOf(localEnv(env).SECKILL_URL);
  if (!isClusterMeant && local !== undefined)
    return { url: local, gateway: undefined, kind: 'local' };
  if (!isClusterMeant && cluster === undefined) {
    throw new CliError(
      'no system is known: start one here with `npm start`, name one with --url or SECKILL_URL, ' +
        'or a cluster with KUBECONFIG, --kubeconfig or --context',
    );
  }
  return { url: await routeOf(await kube()), gateway, kind: 'cluster' };
}

/** A token with which one command may operate the system. */
export async function operatorToken(surroundings: Surroundings, target: Target): Promise<string> {
  const { options, env } = surroundings;
  const given = options.token ?? present(env.SECKILL_TOKEN);
  if (given !== undefined) return given;
  const now = Math.floor(Date.now() / 1_000);
  const { key, claims } = await signerFor(target, surroundings);
  return signToken(key, {
    ...claims,
    userId: present(env.SECKILL_OPERATOR) ?? userInfo().username,
    isOperator: true,
    issuedAt: now,
    expiresAt: now + ownTokenSeconds,
  });
}

/** How tokens for a system are signed. */
export interface Signer {
  readonly key: string;
  /** Issuer and audience that its edge asks for. */
  readonly claims: Pick<TokenClaims, 'issuer' | 'audience'>;
}

/** As `signerFor`, for commands that sign and ask nobody. */
export async function signer(surroundings: Surroundings): Promise<Signer> {
  const isGiven = present(surroundings.env.SECKILL_JWT_KEY) !== undefined;
  return signerFor(isGiven ? undefined : await findTarget(surroundings), surroundings);
}

/**
 * The key of the system: SECKILL_JWT_KEY, else the local runtime's, for that alone, else the one
 * in the cluster's Secret, for the cluster's own route or where the command line names a cluster.
 */
async function signerFor(target: Target | undefined, given: Surroundings): Promise<Signer> {
  const { env, cluster, kube } = given;
  const kind = target?.kind;
  const own = present(env.SECKILL_JWT_KEY);
  const isCluster = kind === 'cluster' || (kind === 'url' && cluster === 'named');
  const local = kind === 'local' ? localEnv(env).SECKILL_JWT_KEY : undefined;
  const key = own ?? local ?? (isCluster ? await keyOf(await kube()) : undefined);
  if (key === undefined) throw noKey();
  if (key.length < keyCharactersMin) {
    throw new CliError(
      `SECKILL_JWT_KEY is too short: it has at least ${keyCharactersMin} characters`,
    );
  }
  const told = isCluster ? await issuerOf(await kube()) : {};
  const issuer = present(env.SECKILL_JWT_ISSUER) ?? told.issuer ?? 'seckill';
  const audience = present(env.SECKILL_JWT_AUDIENCE) ?? told.audience ?? 'seckill';
  return { key, claims: { issuer, audience } };
}

function noKey(): CliError {
  return new CliError(
    'there is no key to sign a token with: set SECKILL_JWT_KEY to the key of the system (the ' +
      'local runtime has one: `npm start`; a cluster has it in a Secret: -n or --context names ' +
      'it), or bring a token of your identity provider',
  );
}

/** How to reach the local runtime; empty where none is at work. */
function localEnv(env: Env): Readonly<Record<string, string>> {
  const { running } = readState(stateFolder(env.SECKILL_STATE_DIR ?? ''));
  return running !== undefined && isAlive(running) ? running.env : {};
}

function addressOf(given: string | undefined): string | undefined {
  if (given === undefined) return undefined;
  const { protocol } = URL.canParse(given) ? new URL(given) : { protocol: '' };
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw new CliError(`${given} is no address like https://shop.example`);
  }
  return given.replace(/\/+$/, '');
}

function present(value: string | undefined): string | undefined {
  return value === '' ? undefined : value;
}
