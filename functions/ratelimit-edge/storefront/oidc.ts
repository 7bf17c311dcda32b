// OpenID Connect for a public client: authorization code with PKCE (S256), and nothing of the
// answer believed whose state, issuer or nonce is not what this tab has asked with. Loaded only
// when a buyer signs in, so it shares no code with the page.

import * as oauth from 'oauth4webapi';
import type { Redeemed } from './session.ts';
import type { Pending, SignInFailure } from './sign-in.ts';

const tokenTimeoutMs = 10_000;
const clockToleranceSeconds = 60;

/** Where to send the buyer, and what must be remembered to take the answer. */
export async function authorizationRequest(
  request: Omit<Pending, 'state' | 'nonce' | 'verifier'>,
): Promise<{ url: string; pending: Pending }> {
  const { setup, redirectUri } = request;
  const pending: Pending = {
    ...request,
    state: oauth.generateRandomState(),
    nonce: oauth.generateRandomNonce(),
    verifier: oauth.generateRandomCodeVerifier(),
  };
  const url = new URL(setup.provider.authorization_endpoint);
  const parameters = {
    response_type: 'code',
    client_id: setup.clientId,
    redirect_uri: redirectUri,
    scope: setup.scope,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await oauth.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
    ...setup.parameters,
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { url: url.href, pending };
}

/** Turns the provider's answer into a token, or says why there is none. */
export async function redeem(
  pending: Pending,
  answer: URLSearchParams,
): Promise<Redeemed | { failure: SignInFailure }> {
  const { setup, redirectUri, verifier, state, nonce } = pending;
  const { provider } = setup;
  const client: oauth.Client = {
    client_id: setup.clientId,
    [oauth.clockSkew]: pending.clockSkewSeconds,
    [oauth.clockTolerance]: clockToleranceSeconds,
  };
  let code: URLSearchParams;
  try {
    code = oauth.validateAuthResponse(provider, client, answer, state);
  } catch (error) {
    const isAnswer = error instanceof oauth.AuthorizationResponseError;
    return { failure: isAnswer ? (refusals[error.error] ?? 'unusable') : 'mismatch' };
  }
  try {
    const response = await oauth.authorizationCodeGrantRequest(
      provider,
      client,
      oauth.None(),
      code,
      redirectUri,
      verifier,
      {
        additionalParameters: setup.parameters,
        signal: AbortSignal.timeout(tokenTimeoutMs),
        // The edge lets only a provider on this same machine do without TLS.
        // eslint-disable-next-line @typescript-eslint/no-deprecated -- meant to be seen
        [oauth.allowInsecureRequests]: provider.token_endpoint.startsWith('http:'),
      },
    );
    if (response.status >= 500 || response.status === 429) return { failure: 'away' };
    const tokens = await oauth.processAuthorizationCodeResponse(provider, client, response, {
      expectedNonce: nonce,
      requireIdToken: true,
    });
    return redeemed(pending, tokens);
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

function redeemed(
  { setup, redirectUri }: Pending,
  tokens: oauth.TokenEndpointResponse,
): Redeemed | { failure: SignInFailure } {
  if (tokens.token_type !== 'bearer') return { failure: 'unusable' };
  const claims = oauth.getValidatedIdTokenClaims(tokens);
  const names = [claims?.['name'], claims?.['preferred_username'], claims?.['email']];
  return {
    token: tokens.access_token,
    name: names.find((name) => typeof name === 'string' && name !== '') as string | undefined,
    signOutUrl: signOutUrlOf(setup, new URL('/', redirectUri).href),
  };
}

/** Without an `id_token_hint`: a token has no place in an address. The provider asks instead. */
function signOutUrlOf(
  { provider, clientId }: Pending['setup'],
  returnUrl: string,
): string | undefined {
  if (provider.end_session_endpoint === undefined) return undefined;
  const url = new URL(provider.end_session_endpoint);
  url.searchParams.set('client_id', clientId);
  url.searchParams.set('post_logout_redirect_uri', returnUrl);
  return url.href;
}

/** Errors of the authorization endpoint (RFC 6749 4.1.2.1, OIDC Core 3.1.2.6). */
const refusals: Readonly<Record<string, SignInFailure>> = {
  access_denied: 'denied',
  login_required: 'denied',
  consent_required: 'denied',
  interaction_required: 'denied',
  account_selection_required: 'denied',
  temporarily_unavailable: 'away',
  server_error: 'away',
};

/** Of the token endpoint. A request that got no answer fails with what `fetch` throws. */
function failureOf(error: unknown): SignInFailure {
  if (error instanceof oauth.ResponseBodyError) {
    return error.error === 'invalid_grant' ? 'late' : 'unusable';
  }
  if (error instanceof oauth.OperationProcessingError) {
    if (error.code === oauth.JWT_CLAIM_COMPARISON) return 'mismatch';
    return error.code === oauth.JWT_TIMESTAMP_CHECK ? 'late' : 'unusable';
  }
  return error instanceof oauth.UnsupportedOperationError ? 'unusable' : 'away';
}
