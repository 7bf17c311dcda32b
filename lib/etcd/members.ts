// One client for each member of etcd, of which one is used at a time. The library would choose a
// member anew for each call: then a member that hangs slows down every few calls, for as long as
// it hangs. Here the first call that fails moves all to the next member.

import { randomInt } from 'node:crypto';
import { Etcd3, type IOptions, isRecoverableError } from 'etcd3';
import { type Breaker, CircuitOpen, createBreaker } from './breaker.ts';

export interface EtcdOptions {
  /** `http://host:port`, one for each member. */
  readonly endpoints: readonly string[];
  readonly auth?: { readonly username: string; readonly password: string };
  /** PEM, for `https://` endpoints whose certificate is not signed by a public authority. */
  readonly rootCertificate?: Buffer;
  /** Which endpoint to begin with; any where not said, so that instances spread over them. */
  readonly firstMember?: number;
}

export interface Members {
  /** The member in use. */
  current(): Etcd3;
  /**
   * Runs one try of a call on the member in use, and leaves that member if it fails. Throws
   * CircuitOpen at once where no member may be asked.
   */
  run<T>(call: (client: Etcd3) => Promise<T>): Promise<T>;
  close(): void;
}

interface Member {
  readonly client: Etcd3;
  readonly breaker: Breaker;
}

/** One try of a call. */
export const tryTimeoutMs = 900;

/** `onMove` is called when another member is in use from now on. */
export function createMembers(options: EtcdOptions, onMove: () => void): Members {
  const members = options.endpoints.map(
    (endpoint): Member => ({
      client: new Etcd3(toClientOptions(endpoint, options)),
      breaker: createBreaker({ failuresMax: 3, halfOpenAfterMs: 400, isFailure }),
    }),
  );
  let index = options.firstMember ?? randomInt(members.length);

  function inUse(): Member {
    const member = members[index];
    if (member === undefined) throw new RangeError('no etcd endpoints');
    return member;
  }

  return {
    current: () => inUse().client,
    async run(call) {
      for (let asked = 1; ; asked += 1) {
        const member = inUse();
        try {
          return await member.breaker.execute(() => call(member.client));
        } catch (error) {
          if (!(error instanceof CircuitOpen) && !isFailure(error)) throw error;
          if (members.length > 1 && member === inUse()) {
            index = (index + 1) % members.length;
            onMove();
          }
          if (!(error instanceof CircuitOpen) || asked >= members.length) throw error;
        }
      }
    },
    close() {
      for (const { client } of members) client.close();
    },
  };
}

/** The member could not be asked, or did not do its work: another try may succeed. */
export function isFailure(error: unknown): boolean {
  return error instanceof Error && isRecoverableError(error);
}

/** For the call that begins now. */
export function tryDeadline(): number {
  return Date.now() + tryTimeoutMs;
}

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** What fails is dealt with here, not by the library, which keeps a member out for 5 s. */
const noPolicy = (() => {
  const neverAborted = new AbortController().signal;
  const policy: Pick<Policy, 'execute'> = {
    execute: async (call) => call({ signal: neverAborted }),
  };
  // The library calls nothing else of it.
  return policy as Policy;
})();

/** The library's options for one member: it fails fast, and repeats nothing by itself. */
export function toClientOptions(
  endpoint: string,
  { auth, rootCertificate }: EtcdOptions,
): IOptions {
  return {
    hosts: endpoint,
    ...(auth === undefined ? {} : { auth }),
    ...(rootCertificate === undefined ? {} : { credentials: { rootCertificate } }),
    // The library sets none, and would wait for ever.
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: tryDeadline() }),
    faultHandling: { host: () => noPolicy, global: noPolicy },
    grpcOptions: {
      // gRPC's own back-off grows to two minutes.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 400,
      // A connection that is dead without a word is found; etcd allows a ping every 5 s.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 2_000,
    },
  };
}
