// TLS as the environment says it, the same for every store. Nobody believes to be encrypted who
// is not: files without the switch, or half a pair, stop the start.

import { createLiveTls, type LiveTls } from './live-tls.ts';

type StoreInNames = 'REDIS' | 'ETCD' | 'KAFKA' | 'MYSQL';
type FileName<Store extends StoreInNames> = `SECKILL_${Store}_${'CA' | 'CERT' | 'KEY'}_FILE`;

export interface TlsSwitch {
  readonly isOn: boolean;
  /** How it is switched on, for the message. */
  readonly by: string;
  readonly serverName?: string | undefined;
}

/** Undefined where it is off. Throws with what to set, or with the file that cannot be used. */
export function tlsOf<Store extends StoreInNames>(
  store: Store,
  environment: Readonly<Record<FileName<Store>, string | undefined>>,
  { isOn, by, serverName }: TlsSwitch,
): LiveTls | undefined {
  const nameOf = (what: 'CA' | 'CERT' | 'KEY') => `SECKILL_${store}_${what}_FILE` as const;
  const [ca, cert, key] = [nameOf('CA'), nameOf('CERT'), nameOf('KEY')] as const;
  const files = {
    caFile: environment[ca],
    certFile: environment[cert],
    keyFile: environment[key],
    serverName,
  };
  if (!isOn) {
    if (Object.values(files).every((value) => value === undefined)) return undefined;
    throw new Error(`There are settings for TLS to ${store}, but it is off: switch it on by ${by}`);
  }
  if ((files.certFile === undefined) !== (files.keyFile === undefined)) {
    throw new Error(`${cert} and ${key} are set together, or neither of them`);
  }
  try {
    return createLiveTls(files);
  } catch (error) {
    throw new Error(`TLS to ${store}: ${(error as Error).message}`, { cause: error });
  }
}
