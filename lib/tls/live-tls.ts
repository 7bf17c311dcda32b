// Certificates that rotate: what a connection is made with is read from its files when it is made,
// so a new certificate or authority is in use without a restart. What was connected stays so.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';

/** Paths of PEM files, and the name to expect. */
export interface TlsFiles {
  /** Who may have signed the server's certificate; the public authorities where not said. */
  readonly caFile?: string | undefined;
  /** Our own certificate, for servers that ask for one, and its key. */
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** What the server's certificate must be for, where that is not the host connected to. */
  readonly serverName?: string | undefined;
}

/** What the files held at one moment; the same object for as long as they hold the same. */
export interface TlsMaterial {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/**
 * The options of `tls.connect`: its members are read again each time they are asked for, and fit
 * each other when asked for in one go.
 */
export interface LiveTls extends TlsMaterial {
  readonly servername?: string;
}

/**
 * Reads the files; throws where one is missing, or they are no certificates or don't fit. Later
 * such faults leave what was good in use.
 */
export function createLiveTls(files: TlsFiles): LiveTls {
  let material = read(files);
  let isFresh = false;
  const look = (): TlsMaterial => {
    // A rotation in the middle of one connection's options would pair a key with the other's.
    if (isFresh) return material;
    isFresh = true;
    queueMicrotask(() => {
      isFresh = false;
    });
    try {
      const next = read(files);
      if (!isSame(material, next)) material = next;
    } catch {
      // Half of it is written: the next connection looks again.
    }
    return material;
  };
  const live = {};
  for (const name of Object.keys(material) as (keyof TlsMaterial)[]) {
    Object.defineProperty(live, name, { enumerable: true, get: () => look()[name] });
  }
  const { serverName } = files;
  return serverName === undefined ? live : Object.assign(live, { servername: serverName });
}

/** For clients that keep what they are made with: another object once the files have changed. */
export function materialOf({ ca, cert, key }: LiveTls): TlsMaterial {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  };
}

function read({ caFile, certFile, keyFile }: TlsFiles): TlsMaterial {
  const material = {
    ...(caFile === undefined ? {} : { ca: readFileSync(caFile) }),
    ...(certFile === undefined ? {} : { cert: readFileSync(certFile) }),
    ...(keyFile === undefined ? {} : { key: readFileSync(keyFile) }),
  };
  try {
    // OpenSSL takes a file without any certificate for an authority that signed nothing.
    if (material.ca !== undefined) new X509Certificate(material.ca);
    createSecureContext(material);
  } catch (error) {
    const paths = [caFile, certFile, keyFile].filter((path) => path !== undefined).join(', ');
    throw new Error(`${paths}: ${(error as Error).message}`, { cause: error });
  }
  return material;
}

export function isSame(one: TlsMaterial, other: TlsMaterial): boolean {
  return (['ca', 'cert', 'key'] as const).every((name) => {
    const [before, after] = [one[name], other[name]];
    return before === after || (before !== undefined && after?.equals(before) === true);
  });
}
