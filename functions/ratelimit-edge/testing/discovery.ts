// For tests: what an OpenID provider says of itself, true or not.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { SignInConfig } from '../sign-in.ts';

export interface Discovery {
  readonly issuer: string;
  /** What it says; 500 while undefined. */
  document: Record<string, unknown> | undefined;
  /** Paths of all requests. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** A sign-in at this issuer, as little as can be said of one. */
export function signInAt(issuer: string): SignInConfig {
  return { issuer, clientId: 'shop', scope: 'openid' };
}

export async function startDiscovery(): Promise<Discovery> {
  const server = createServer((request, response) => {
    discovery.requests.push(request.url ?? '');
    if (discovery.document === undefined) response.writeHead(500).end();
    else response.end(JSON.stringify(discovery.document));
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/realm`;
  const discovery: Discovery = {
    issuer,
    document: {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
    },
    requests: [],
    async close() {
      server.closeAllConnections();
      await new Promise((closed) => server.close(closed));
    },
  };
  return discovery;
}
