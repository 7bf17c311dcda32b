// An OpenID provider on this machine for tests: the certified `oidc-provider`, with one public
// client, a page where one says who one is, and JWT access tokens for the shop. Its faults are
// those that a test asks for.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { exportJWK, generateKeyPair } from 'jose';
import { type JWK, Provider } from 'oidc-provider';

export const clientId = 'the-shop';
export const resource = 'https://shop.example/api';
export const audience = 'seckill';

export interface TestProvider {
  readonly issuer: string;
  accessTokenSeconds: number;
  /** `away`: the token endpoint hangs up; `late`: it knows no code; `down`: nobody listens. */
  fault: 'away' | 'late' | undefined;
  /** What somebody on the way makes of the address that a buyer is sent back to. */
  tamper: ((url: URL) => void) | undefined;
  /** Paths of all requests, without their query. */
  requests: string[];
  /** Opens for the shop at this origin. */
  serve(shopUrl: string): void;
  /** Nobody listens any more; `comeBack` listens again. */
  goAway(): Promise<void>;
  comeBack(): Promise<void>;
}

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export async function startProvider(): Promise<TestProvider> {
  let handle: Handler = (_request, response) => response.writeHead(503).end();
  const { privateKey } = await generateKeyPair('RS256', { extractable: true });
  const key = { ...(await exportJWK(privateKey)), kid: 'one', use: 'sig', alg: 'RS256' };
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://any').pathname;
    test.requests.push(path);
    if (test.fault === 'away' && path === '/token') request.socket.destroy();
    else handle(request, tamperedBy(test, response));
  });
  const listen = (port: number) =>
    new Promise<void>((listening) => server.listen(port, '127.0.0.1', listening));
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const test: TestProvider = {
    // Not the shop's host: another site for the browser, as it is in life.
    issuer: `http://localhost:${port}`,
    accessTokenSeconds: 3_600,
    fault: undefined,
    tamper: undefined,
    requests: [],
    serve(shopUrl) {
      handle = handlerOf(createProvider(test, shopUrl, key));
    },
    async goAway() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
    comeBack: () => listen(port),
  };
  return test;
}

function createProvider(test: TestProvider, shopUrl: string, key: JWK): Provider {
  const provider = new Provider(test.issuer, {
    clients: [
      {
        client_id: clientId,
        token_endpoint_auth_method: 'none',
        redirect_uris: [`${shopUrl}/signed-in`],
        post_logout_redirect_uris: [`${shopUrl}/`],
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: ['a-key-of-the-tests'] },
    claims: { openid: ['sub'], profile: ['name'] },
    conformIdTokenClaims: false,
    clientBasedCORS: (_context, origin) => origin === shopUrl,
    findAccount: (_context, accountId) => ({
      accountId,
      claims: () => ({ sub: accountId, name: `Name of ${accountId}` }),
    }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    async loadExistingGrant({ oidc }) {
      const { client, session } = oidc;
      if (client === undefined || session?.accountId === undefined) return undefined;
      const grant = new oidc.provider.Grant({
        clientId: client.clientId,
        accountId: session.accountId,
      });
      grant.addOIDCScope('openid profile');
      grant.addResourceScope(resource, 'buy');
      await grant.save();
      return grant;
    },
    features: {
      rpInitiatedLogout: {
        logoutSource(context, form) {
          context.body = `<!doctype html><title>Sign out</title>${form}
            <button form="op.logoutForm" name="logout" value="yes">Yes, sign me out</button>`;
        },
      },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: 'buy',
          audience,
          accessTokenTTL: test.accessTokenSeconds,
          accessTokenFormat: 'jwt',
        }),
        useGrantedResource: () => true,
      },
    },
  });
  const { AuthorizationCode } = provider;
  const find = AuthorizationCode.find.bind(AuthorizationCode);
  Object.assign(AuthorizationCode, {
    find: (code: string) => (test.fault === 'late' ? Promise.resolve(undefined) : find(code)),
  });
  return provider;
}

function tamperedBy(test: TestProvider, response: ServerResponse): ServerResponse {
  const setHeader = response.setHeader.bind(response);
  response.setHeader = (name, value) => {
    const url = URL.parse(String(value));
    if (name.toLowerCase() !== 'location' || url?.pathname !== '/signed-in') {
      return setHeader(name, value);
    }
    test.tamper?.(url);
    return setHeader(name, url.href);
  };
  return response;
}

/** The provider, with a page of its own where one says who one is. */
function handlerOf(provider: Provider): Handler {
  const callback = provider.callback();
  return (request, response) => {
    if (request.url?.startsWith('/interaction/') !== true) {
      void callback(request, response);
    } else if (request.method === 'GET') {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><title>Who are you?</title><form method="post">
        <input name="user" /><button name="do" value="go">Continue</button>
        <button name="do" value="deny">Cancel</button></form>`);
    } else {
      void decide(provider, request, response);
    }
  };
}

async function decide(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const form = new URLSearchParams(await text(request));
  const result =
    form.get('do') === 'deny'
      ? { error: 'access_denied', error_description: 'not today' }
      : { login: { accountId: form.get('user') ?? '' } };
  await provider.interactionFinished(request, response, result);
}
