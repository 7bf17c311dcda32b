// The one way to etcd: every call has a deadline, is repeated a few times at most, and fails with
// EtcdUnavailable. An etcd that comes back is used again within half a second.

import { setTimeout as pause } from 'node:timers/promises';
import {
  Etcd3,
  EtcdLeaseInvalidError,
  GRPCDeadlineExceededError,
  type IOptions,
  isRecoverableError,
  type LeaseClient,
} from 'etcd3';
import { type Breaker, createBreaker } from './breaker.ts';
import { type EtcdClient, EtcdUnavailable, LeaseNotFound } from './etcd.ts';
import { fromTxnResponse, toTxnRequest } from './messages.ts';
import { createWatches } from './watches.ts';

export interface EtcdOptions {
  /** `http://host:port`, one for each member. */
  readonly endpoints: readonly string[];
  readonly auth?: { readonly username: string; readonly password: string };
  /** PEM, for `https://` endpoints whose certificate is not signed by a public authority. */
  readonly rootCertificate?: Buffer;
}

const callTimeoutMs = 2_000;
/** Pauses before the repetitions of a call that failed at once; a time-out is not repeated. */
const retryPausesMs = [50, 200];

/** Connects at the first call. Never emits an error event. */
export function connectEtcd(options: EtcdOptions): EtcdClient {
  const raw = new Etcd3(toClientOptions(options));
  const watches = createWatches(() => raw.watchClient.watch());

  async function call<T>(operation: string, run: () => Promise<T>): Promise<T> {
    try {
      return await withRetry(run);
    } catch (error) {
      if (error instanceof EtcdLeaseInvalidError) {
        throw new LeaseNotFound(error.message, { cause: error });
      }
      // The stream of watches may hang on the same member without a word.
      watches.reset();
      throw new EtcdUnavailable(operation, { cause: error });
    }
  }

  return {
    transact: async (transaction) =>
      fromTxnResponse(await call('transaction', () => raw.kv.txn(toTxnRequest(transaction)))),
    grantLease: async (leaseId, ttlSeconds) => {
      await call('lease grant', () => raw.leaseClient.leaseGrant({ ID: leaseId, TTL: ttlSeconds }));
    },
    keepLeaseAlive: (leaseId) =>
      call('lease keep-alive', () => keepAliveOnce(raw.leaseClient, leaseId)),
    revokeLease: async (leaseId) => {
      try {
        await call('lease revoke', () => raw.leaseClient.leaseRevoke({ ID: leaseId }));
      } catch (error) {
        if (!(error instanceof LeaseNotFound)) throw error;
      }
    },
    leaseKeys: async (leaseId) => {
      const { keys } = await call('lease keys', () =>
        raw.leaseClient.leaseTimeToLive({ ID: leaseId, keys: true }),
      );
      return keys.map(String);
    },
    watch: (request, listener) => watches.watch(request, listener),
    close() {
      watches.reset();
      raw.close();
    },
  };
}

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

function toClientOptions({ endpoints, auth, rootCertificate }: EtcdOptions): IOptions {
  return {
    hosts: [...endpoints],
    ...(auth === undefined ? {} : { auth }),
    ...(rootCertificate === undefined ? {} : { credentials: { rootCertificate } }),
    // The library sets none, and would wait for ever.
    defaultCallOptions: ({ isStream }) => (isStream ? {} : { deadline: deadline() }),
    faultHandling: {
      // The library's own keeps a member out for 5 s.
      host: () => toPolicy(createBreaker({ failuresMax: 3, halfOpenAfterMs: 400, isFailure })),
      // Repeated here, where it is known which errors may be.
      global: toPolicy({ execute: async (run) => run() }),
    },
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

/** Of a policy the library only ever calls `execute`. */
function toPolicy({ execute }: Breaker): Policy {
  const policy: Pick<Policy, 'execute'> = {
    execute: (run) => execute(() => run({ signal: neverAborted })),
  };
  return policy as Policy;
}

const neverAborted = new AbortController().signal;

function isFailure(error: unknown): boolean {
  return error instanceof Error && isRecoverableError(error);
}

function deadline(): number {
  return Date.now() + callTimeoutMs;
}

async function withRetry<T>(run: () => Promise<T>): Promise<T> {
  for (const pauseMs of retryPausesMs) {
    try {
      return await run();
    } catch (error) {
      if (!isFailure(error) || error instanceof GRPCDeadlineExceededError) throw error;
      await pause(pauseMs);
    }
  }
  return await run();
}

/** A stream for one message: nothing is left open that could fail later. */
async function keepAliveOnce(client: LeaseClient, leaseId: string): Promise<number> {
  const stream = await client.leaseKeepAlive({ deadline: deadline() });
  return await new Promise((resolve, reject) => {
    stream.on('data', ({ TTL }) => {
      stream.end();
      resolve(Number(TTL));
    });
    stream.on('error', reject);
    stream.on('end', () => {
      reject(new Error('ended without an answer'));
    });
    stream.write({ ID: leaseId });
  });
}
