// A certificate authority of a test's own, on 127.0.0.1. Files keep their paths when what is in
// them is made anew, as a mounted Secret does.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { findProgram } from '#knative/local/stores/programs.ts';

export interface KeyPair {
  readonly certFile: string;
  readonly keyFile: string;
}

export interface Authority {
  readonly caFile: string;
  /** A certificate of this name (its CN), for 127.0.0.1; one of that name before is replaced. */
  issue(name: string, options?: { readonly expired?: boolean }): KeyPair;
}

const keyOptions = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes its own certificate in this folder, over one that is there. */
export function createAuthority(folder: string): Authority {
  mkdirSync(folder, { recursive: true });
  const run = (...args: string[]) => {
    execFileSync(findProgram('openssl'), args, { cwd: folder, stdio: 'ignore' });
  };
  run(
    ...['req', '-x509', ...keyOptions, '-keyout', 'ca.key', '-out', 'ca.crt'],
    ...['-subj', '/CN=authority of a test', '-days', '2'],
  );
  return {
    caFile: join(folder, 'ca.crt'),
    issue(name, { expired = false } = {}) {
      const [key, request, certificate] = [`${name}.key`, `${name}.csr`, `${name}.crt`];
      run(
        ...['req', '-new', ...keyOptions, '-keyout', key, '-out', request],
        ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost'],
      );
      run(
        ...['x509', '-req', '-in', request, '-out', certificate, '-copy_extensions', 'copy'],
        ...['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', expired ? '-1' : '2'],
      );
      return { certFile: join(folder, certificate), keyFile: join(folder, key) };
    },
  };
}
