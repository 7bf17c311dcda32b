// Sends requests to a gateway in the name of another host, as `curl --connect-to` does: for
// clusters whose routes no name server knows. Host header and TLS name stay the route's own.

import type { RequestInit, Response } from 'undici';

export type FetchText = (url: string, init: RequestInit) => Promise<Response>;

/** `fetch`, all of whose connections go to the gateway's address. */
export async function fetchThrough(gateway: string): Promise<FetchText> {
  const { Agent, buildConnector, fetch } = await import('undici');
  const { hostname, port, protocol } = new URL(gateway);
  const isSecure = protocol === 'https:';
  const connect = buildConnector({});
  const dispatcher = new Agent({
    connect(options, callback) {
      const address = { hostname, port: port || (isSecure ? '443' : '80'), protocol };
      const servername = isSecure ? { servername: options.hostname } : {};
      connect({ ...options, ...address, ...servername }, callback);
    },
  });
  return (url, init) => fetch(withProtocol(url, protocol), { ...init, dispatcher });
}

/** The gateway says whether it speaks TLS, not the route. */
function withProtocol(url: string, protocol: string): string {
  return url.replace(/^https?:/, protocol);
}
