// One client for each member of etcd, of which one is used at a time. The library would choose a
// member anew for each call: then a member that hangs slows down every few calls, for as long as
// it hangs. Here the first call that fails moves all to the next member.

import { randomInt } from 'node:crypto';
import { Etcd3, type IOptions, isRecoverableError } from 'etcd3';
import { isSame, materialOf, type TlsMaterial } from '#lib/tls/live-tls.ts';
import { credentialsOf, type EtcdAccess } from './access.ts';
import { type Breaker, CircuitOpen, createBreaker } from './breaker.ts';

export interface EtcdOptions extends EtcdAccess {
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
  readonly endpoint: string;
  client: Etcd3;
  /** What the client was made with; it connects with nothing else for as long as it lives. */
  material: TlsMaterial;
  readonly breaker: Breaker;
}

/** One try of a call. */
export const tryTimeoutMs = 900;

/** `onMove` is called when another member is in use from now on. */
export function createMembers(options: EtcdOptions, onMove: () => void): Members {
  const members = options.endpoints.map((endpoint): Member => {
    const material = materialOf(options.tls ?? {});
    return {
      ...{ endpoint, material },
      client: new Etcd3(toClientOptions(endpoint, options, material)),
      breaker: createBreaker({ failuresMax: 3, halfOpenAfterMs: 400, isFailure }),
    };
  });
  let index = options.firstMember ?? randomInt(members.length);

  function inUse(): Member {
    const member = members[index];
    if (member === undefined) throw new RangeError('no etcd endpoints');
    return member;
  }

  /** With the certificates that are there now, where those are others. */
  function renew(member: Member): void {
    const material = materialOf(options.tls ?? {});
    if (isSame(member.material, material)) return;
    const { client: old } = member;
    member.client = new Etcd3(toClientOptions(member.endpoint, options, material));
    member.material = material;
    old.close();
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
          renew(member);
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
  { auth }: EtcdAccess,
  material: TlsMaterial,
): IOptions {
  return {
    hosts: endpoint,
    ...(auth === undefined ? {} : { auth }),
    ...credentialsOf(material),
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
