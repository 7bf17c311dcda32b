// How etcd is reached: where, as whom, with TLS or without.

import type { IOptions } from 'etcd3';
import type { Environment, etcdNames } from '#lib/environment.ts';
import type { LiveTls, TlsMaterial } from '#lib/tls/live-tls.ts';
import { tlsOf } from '#lib/tls/tls-of.ts';

export interface EtcdAccess {
  /** `http://host:port` or `https://host:port`, one for each member. */
  readonly endpoints: readonly string[];
  readonly auth?: { readonly username: string; readonly password: string };
  /** With `https://` endpoints. */
  readonly tls?: LiveTls;
}

/** As the environment says it. Throws with what does not fit. */
export function etcdAccessOf(
  environment: Pick<Environment, (typeof etcdNames)[number]>,
): EtcdAccess {
  const {
    SECKILL_ETCD_ENDPOINTS: endpoints,
    SECKILL_ETCD_USERNAME: username,
    SECKILL_ETCD_PASSWORD: password,
  } = environment;
  const encrypted = endpoints.filter((endpoint) => endpoint.startsWith('https:'));
  if (encrypted.length > 0 && encrypted.length < endpoints.length) {
    throw new Error('SECKILL_ETCD_ENDPOINTS: either all begin with https://, or none');
  }
  if ((username === undefined) !== (password === undefined)) {
    throw new Error(
      'SECKILL_ETCD_USERNAME and SECKILL_ETCD_PASSWORD are set together, or neither of them',
    );
  }
  const isOn = encrypted.length > 0;
  const tls = tlsOf('ETCD', environment, { isOn, by: 'https:// in SECKILL_ETCD_ENDPOINTS' });
  return {
    endpoints,
    ...(username === undefined || password === undefined ? {} : { auth: { username, password } }),
    ...(tls === undefined ? {} : { tls }),
  };
}

/** As the library wants them; without an authority, the public ones are believed. */
export function credentialsOf({ ca, cert, key }: TlsMaterial): Pick<IOptions, 'credentials'> {
  if (ca === undefined && cert === undefined) return {};
  const credentials = {
    ...(ca === undefined ? {} : { rootCertificate: ca }),
    ...(cert === undefined || key === undefined ? {} : { certChain: cert, privateKey: key }),
  };
  return { credentials: credentials as NonNullable<IOptions['credentials']> };
}
