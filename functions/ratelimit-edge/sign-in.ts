// Where the page's buyers sign in: an OpenID provider, by authorization code with PKCE. The edge
// reads the provider's discovery document, once for all its pages: so the page asks nobody else
// until a buyer signs in, and its content security policy names the one address it then needs.

import * as z from 'zod';
import { isSecureUrl } from '#lib/http/secure-url.ts';
import { json, refuse } from './answers.ts';
import { IssuerDocument } from './issuer-document.ts';

export interface SignInConfig {
  readonly issuer: string;
  readonly clientId: string;
  readonly scope: string;
  /** What some providers must be told before they make a JWT for this API. */
  readonly resource?: string | undefined;
  readonly audience?: string | undefined;
}

export interface SignIn {
  readonly isConfigured: boolean;
  /** `GET /sign-in.json`: what the page needs; 503 while the provider was never reached. */
  answer(): Promise<Response>;
  /** The token endpoint, as a source of the page's policy; undefined while nobody knows it. */
  tokenSource(): Promise<string | undefined>;
}

interface SignInEnvironment {
  readonly SECKILL_OIDC_ISSUER: string | undefined;
  readonly SECKILL_OIDC_CLIENT_ID: string | undefined;
  readonly SECKILL_OIDC_SCOPE: string;
  readonly SECKILL_OIDC_RESOURCE: string | undefined;
  readonly SECKILL_OIDC_AUDIENCE: string | undefined;
  readonly SECKILL_JWT_JWKS_URL: string | undefined;
}

/** Undefined where nothing is set; throws, saying what to set, where only a part is. */
export function signInConfigOf(env: SignInEnvironment): SignInConfig | undefined {
  const { SECKILL_OIDC_ISSUER: issuer, SECKILL_OIDC_CLIENT_ID: clientId } = env;
  if (issuer === undefined && clientId === undefined) return undefined;
  if (issuer === undefined || clientId === undefined || env.SECKILL_JWT_JWKS_URL === undefined) {
    throw new Error(
      'sign-in needs all of SECKILL_OIDC_ISSUER, SECKILL_OIDC_CLIENT_ID and SECKILL_JWT_JWKS_URL',
    );
  }
  return {
    issuer,
    clientId,
    scope: env.SECKILL_OIDC_SCOPE,
    resource: env.SECKILL_OIDC_RESOURCE,
    audience: env.SECKILL_OIDC_AUDIENCE,
  };
}

/** Providers change these once in years. */
const refreshAfterMs = 3_600_000;

/** Tokens and codes go over TLS; only a provider on this same machine may do without. */
const endpoint = z.url().refine(isSecureUrl, 'must be https');

const provider = z.object({
  issuer: z.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  end_session_endpoint: endpoint.optional(),
  id_token_signing_alg_values_supported: z.array(z.string()).optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
});

const support = z.object({
  code_challenge_methods_supported: z
    .array(z.string())
    .refine((methods) => methods.includes('S256'), 'must have S256')
    .optional(),
});

interface SignInOptions {
  readonly now?: () => number;
  /** The provider did not say where one signs in, or what it says cannot be used. */
  readonly onFault?: (error: unknown) => void;
}

/** Starts reading the provider's document at once, where there is one. */
export function createSignIn(
  config: SignInConfig | undefined,
  { now = Date.now, onFault = () => undefined }: SignInOptions = {},
): SignIn {
  if (config === undefined) {
    return {
      isConfigured: false,
      answer: () => Promise.resolve(json('{}')),
      tokenSource: () => Promise.resolve(undefined),
    };
  }
  const document = new IssuerDocument({
    url: new URL(`${config.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`),
    now,
    onFault,
    parse: (text) => providerOf(text, config.issuer),
  });
  const known = async () => {
    const refreshed = document.ageMs() > refreshAfterMs ? document.refresh() : undefined;
    if (document.value === undefined) await refreshed;
    return document.value;
  };
  void document.refresh();
  const { clientId, scope, resource, audience } = config;
  return {
    isConfigured: true,
    async answer() {
      const found = await known();
      if (found === undefined) return refuse('unavailable', { detail: askLater }).response;
      const parameters = { resource, audience };
      return json(JSON.stringify({ provider: found, clientId, scope, parameters }));
    },
    async tokenSource() {
      const found = await known();
      return found === undefined ? undefined : sourceOf(new URL(found.token_endpoint));
    },
  };
}

const askLater = 'the provider one signs in with does not answer at the moment';

function providerOf(document: unknown, issuer: string): z.infer<typeof provider> {
  const found = provider.parse(document);
  support.parse(document);
  if (found.issuer !== issuer) throw new Error('the discovery document is of another issuer');
  return found;
}

/** Exactly this address; `;` and `,` would end a source of a content security policy. */
function sourceOf({ origin, pathname }: URL): string {
  return origin + pathname.replaceAll(';', '%3B').replaceAll(',', '%2C');
}
