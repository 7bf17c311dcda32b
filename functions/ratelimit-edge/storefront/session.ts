// Who the buyer is. The token comes in the address' fragment, which no server ever sees, leaves
// the address bar at once and lives as long as the tab.

const tokenName = 'seckill.token';
const nameName = 'seckill.name';
const signOutName = 'seckill.sign-out';

/** What a provider has given. */
export interface Redeemed {
  readonly token: string;
  /** How to call the buyer, where the provider has said it. */
  readonly name: string | undefined;
  /** Where the session at the provider ends, where it can be ended. */
  readonly signOutUrl: string | undefined;
}

export interface Session {
  /** The `sub` of the token. The server decides whether it is true; here it only names keys. */
  readonly user: string | undefined;
  /** How to call the buyer. */
  readonly name: string | undefined;
  /** Undefined without a token, and once the server has refused it: its clock counts, not ours. */
  token(): string | undefined;
  sign(): 'in' | 'out' | 'ended';
  /** The server does not believe the token any more. */
  end(): void;
  /** Signs out, here and at the provider. Purchases that are open stay kept for their buyer. */
  leave(): void;
}

/** The token in the address, which it leaves at once; undefined where there is none. */
export function takeToken(page: Window): string | undefined {
  const given = new URLSearchParams(page.location.hash.slice(1)).get('token');
  if (given === null) return undefined;
  page.history.replaceState(null, '', page.location.pathname + page.location.search);
  return claimsOf(given) === undefined ? undefined : given;
}

/** The session of this tab; a token that is given takes the place of the one before. */
export function openSession(page: Window, nowMs: () => number, given?: string): Session {
  if (given !== undefined) {
    keepSession(page, { token: given, name: undefined, signOutUrl: undefined });
  }
  const token = given ?? recall(page, tokenName);
  const claims = token === null ? undefined : claimsOf(token);
  let isRefused = false;
  const isLive = () => claims !== undefined && !isRefused && nowMs() < claims.expiresAtMs;
  return {
    user: claims?.userId,
    name: claims === undefined ? undefined : (recall(page, nameName) ?? claims.userId),
    token: () => (claims === undefined || isRefused ? undefined : (token ?? undefined)),
    sign: () => (claims === undefined ? 'out' : isLive() ? 'in' : 'ended'),
    end() {
      isRefused = true;
    },
    leave() {
      const signOutUrl = recall(page, signOutName);
      for (const name of [tokenName, nameName, signOutName]) keep(page, name, undefined);
      if (signOutUrl === null) page.location.reload();
      else page.location.assign(signOutUrl);
    },
  };
}

/** What a JWT says about itself; undefined if it is none. Nothing is verified here. */
export function claimsOf(token: string): { userId: string; expiresAtMs: number } | undefined {
  const payload = token.split('.')[1];
  if (payload === undefined) return undefined;
  try {
    const bytes = Uint8Array.from(
      atob(payload.replaceAll('-', '+').replaceAll('_', '/')),
      (letter) => letter.charCodeAt(0),
    );
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as { sub?: unknown; exp?: unknown };
    if (typeof claims.sub !== 'string') return undefined;
    const { exp } = claims;
    const expiresAtMs = typeof exp === 'number' ? exp * 1_000 : Number.POSITIVE_INFINITY;
    return { userId: claims.sub, expiresAtMs };
  } catch {
    return undefined;
  }
}

/** Keeps it for this tab. Without storage a session lasts until the page is left. */
export function keepSession(page: Window, { token, name, signOutUrl }: Redeemed): void {
  keep(page, tokenName, token);
  keep(page, nameName, name);
  keep(page, signOutName, signOutUrl);
}

function keep(page: Window, name: string, value: string | undefined): void {
  try {
    if (value === undefined) page.sessionStorage.removeItem(name);
    else page.sessionStorage.setItem(name, value);
  } catch {
    // A browser that forbids storage.
  }
}

function recall(page: Window, name: string): string | null {
  try {
    return page.sessionStorage.getItem(name);
  } catch {
    return null;
  }
}
