// Signing in where an OpenID provider is configured: what the page always has of it. The protocol
// itself (oidc.ts) is loaded when a buyer leaves for the provider or comes back, never before.

import type { SignInSetup } from './answers.ts';
import type { Api } from './api.ts';
import { ReadError } from './api.ts';
import type { Poll, PollOptions } from './poll.ts';
import { claimsOf, keepSession, type Session } from './session.ts';

/**
 * `denied`: not wanted, or not allowed. `mismatch`: not the answer to what this tab asked.
 * `late`: the code has expired. `away`: no answer. `unusable`: set up wrongly.
 */
export type SignInFailure = 'denied' | 'mismatch' | 'late' | 'away' | 'unusable';

/** What this tab remembers while the buyer is at the provider. */
export interface Pending {
  readonly setup: SignInSetup;
  readonly redirectUri: string;
  /** The page the buyer left. */
  readonly returnTo: string;
  /** How far the server's clock is ahead of this device's. */
  readonly clockSkewSeconds: number;
  readonly state: string;
  readonly nonce: string;
  readonly verifier: string;
}

const pendingName = 'seckill.sign-in';
const signedInPath = '/signed-in';

export interface SignIn {
  /** Whether there is a provider to go to. */
  readonly isOffered: boolean;
  readonly failure: SignInFailure | undefined;
  /** Leaves for the provider. */
  start(): void;
}

interface SignInOptions {
  readonly window: Window;
  readonly api: Pick<Api, 'signIn'>;
  readonly session: Session;
  readonly poll: (options: Pick<PollOptions, 'task' | 'intervalMs' | 'onError'>) => Poll;
  readonly serverNowMs: () => number;
  /** Of the way back, when this page is its end. */
  readonly failure: SignInFailure | undefined;
  readonly onChange: () => void;
}

/** Asks for the provider's address only while nobody is signed in. */
export function createSignIn(options: SignInOptions): SignIn {
  const { api, window: page, onChange } = options;
  let setup: SignInSetup | undefined;
  let isKnown = false;
  let looking: Poll | undefined;
  let failure = options.failure;
  const fail = (reason: SignInFailure) => {
    failure = reason;
    onChange();
  };
  const look = () => {
    looking ??= options.poll({
      async task() {
        setup = await api.signIn();
        if (!isKnown && failure === 'away') failure = options.failure;
        isKnown = true;
        onChange();
      },
      intervalMs: () => undefined,
      onError(error) {
        // The shop itself answers so where there is a provider that does not.
        if (error instanceof ReadError && error.status === 503) fail('away');
      },
    });
  };
  async function leave(chosen: SignInSetup): Promise<void> {
    const { authorizationRequest } = await import('./oidc.ts');
    const { pathname, search, origin } = page.location;
    const { url, pending } = await authorizationRequest({
      setup: chosen,
      redirectUri: origin + signedInPath,
      returnTo: pathname + search,
      clockSkewSeconds: Math.round((options.serverNowMs() - Date.now()) / 1_000),
    });
    page.sessionStorage.setItem(pendingName, JSON.stringify(pending));
    page.location.assign(url);
  }
  return {
    get isOffered() {
      if (options.session.sign() !== 'in') look();
      return isKnown ? setup !== undefined : failure !== undefined;
    },
    get failure() {
      return failure;
    },
    start() {
      failure = undefined;
      onChange();
      if (setup === undefined) {
        looking?.refresh();
        fail('away');
      } else {
        // Without storage there would be no way back, without TLS no way to hash.
        leave(setup).catch((error: unknown) => {
          fail(error instanceof TypeError ? 'away' : 'unusable');
        });
      }
    },
  };
}

/**
 * Whether a token may be given in the address: only where there is no provider. Else a link would
 * sign a buyer in as whoever made it. Never rejects.
 */
export async function takesTokens(api: Pick<Api, 'signIn'>): Promise<boolean> {
  try {
    return (await api.signIn()) === undefined;
  } catch {
    return false;
  }
}

/**
 * On the way back from the provider: takes its answer out of the address at once, turns it into a
 * session and shows the page that the buyer left. Says why where that fails; never rejects.
 */
export async function finishSignIn(page: Window): Promise<SignInFailure | undefined> {
  if (page.location.pathname !== signedInPath) return undefined;
  const answer = new URLSearchParams(page.location.search);
  const pending = takePending(page);
  page.history.replaceState(null, '', pending?.returnTo ?? '/');
  if (pending === undefined) return 'mismatch';
  try {
    const { redeem } = await import('./oidc.ts');
    const redeemed = await redeem(pending, answer);
    if ('failure' in redeemed) return redeemed.failure;
    // A token that is no JWT is good for the provider only.
    if (claimsOf(redeemed.token) === undefined) return 'unusable';
    keepSession(page, redeemed);
    return undefined;
  } catch {
    return 'away';
  }
}

/** It is good for one answer. */
function takePending(page: Window): Pending | undefined {
  try {
    const kept = page.sessionStorage.getItem(pendingName);
    page.sessionStorage.removeItem(pendingName);
    return kept === null ? undefined : (JSON.parse(kept) as Pending);
  } catch {
    return undefined;
  }
}
