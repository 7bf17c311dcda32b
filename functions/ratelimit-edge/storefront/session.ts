// Who the buyer is. The token comes in the address' fragment, which no server ever sees, leaves
// the address bar at once and lives as long as the tab.

const storageName = 'seckill.token';

export interface Session {
  /** The `sub` of the token. The server decides whether it is true; here it only names keys. */
  readonly user: string | undefined;
  /** Undefined without a token, and once it has expired or the server has refused it. */
  token(): string | undefined;
  sign(): 'in' | 'out' | 'ended';
  /** The server does not believe the token any more. */
  end(): void;
}

/** The session of this tab; takes a token out of the address when there is one. */
export function openSession(page: Window, nowMs: () => number): Session {
  const given = new URLSearchParams(page.location.hash.slice(1)).get('token');
  if (given !== null) {
    page.history.replaceState(null, '', page.location.pathname + page.location.search);
    if (claimsOf(given) !== undefined) remember(page, given);
  }
  const token = given ?? recall(page);
  const claims = token === null ? undefined : claimsOf(token);
  let isRefused = false;
  const isLive = () => claims !== undefined && !isRefused && nowMs() < claims.expiresAtMs;
  return {
    user: claims?.userId,
    token: () => (isLive() ? (token ?? undefined) : undefined),
    sign: () => (claims === undefined ? 'out' : isLive() ? 'in' : 'ended'),
    end() {
      isRefused = true;
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

function remember(page: Window, token: string): void {
  try {
    page.sessionStorage.setItem(storageName, token);
  } catch {
    // Without storage the session lasts until the page is left.
  }
}

function recall(page: Window): string | null {
  try {
    return page.sessionStorage.getItem(storageName);
  } catch {
    return null;
  }
}
