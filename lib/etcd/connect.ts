// The one way to etcd: every call has a deadline, is repeated a few times at most, and fails with
// EtcdUnavailable. An etcd that comes back is used again within half a second.

import { setTimeout as pause } from 'node:timers/promises';
import { castGrpcError, type Etcd3, EtcdLeaseInvalidError, type LeaseClient } from 'etcd3';
import { type EtcdClient, EtcdUnavailable, LeaseNotFound } from './etcd.ts';
import {
  createMembers,
  type EtcdOptions,
  isFailure,
  tryDeadline,
  tryTimeoutMs,
} from './members.ts';
import { fromTxnResponse, toTxnRequest } from './messages.ts';
import { createWatches } from './watches.ts';

/** A call with its repetitions: room for two tries that get no answer. */
const callTimeoutMs = 2_000;
/** Pauses before the repetitions of a call that failed. */
const retryPausesMs = [50, 200];

/** Connects at the first call. Never emits an error event. */
export function connectEtcd(options: EtcdOptions): EtcdClient {
  // The stream of watches may hang on a member that fails, without a word.
  const resetWatches = () => {
    watches.reset();
  };
  const members = createMembers(options, resetWatches);
  const watches = createWatches(() => members.current().watchClient.watch());
  const call = async <T>(operation: string, run: (client: Etcd3) => Promise<T>) => {
    try {
      return await repeat(() => members.run(run));
    } catch (error) {
      if (error instanceof EtcdLeaseInvalidError) {
        throw new LeaseNotFound(error.message, { cause: error });
      }
      resetWatches();
      throw new EtcdUnavailable(operation, { cause: error });
    }
  };

  return {
    transact: async (transaction) => {
      const request = toTxnRequest(transaction);
      return fromTxnResponse(await call('transaction', ({ kv }) => kv.txn(request)));
    },
    grantLease: async (leaseId, ttlSeconds) => {
      const request = { ID: leaseId, TTL: ttlSeconds };
      await call('lease grant', ({ leaseClient }) => leaseClient.leaseGrant(request));
    },
    keepLeaseAlive: (leaseId) =>
      call('lease keep-alive', ({ leaseClient }) => keepAliveOnce(leaseClient, leaseId)),
    revokeLease: async (leaseId) => {
      try {
        await call('lease revoke', ({ leaseClient }) => leaseClient.leaseRevoke({ ID: leaseId }));
      } catch (error) {
        if (!(error instanceof LeaseNotFound)) throw error;
      }
    },
    leaseKeys: async (leaseId) => {
      const request = { ID: leaseId, keys: true };
      const { keys } = await call('lease keys', ({ leaseClient }) =>
        leaseClient.leaseTimeToLive(request),
      );
      return keys.map(String);
    },
    watch: (request, listener) => watches.watch(request, listener),
    close() {
      watches.reset();
      members.close();
    },
  };
}

async function repeat<T>(run: () => Promise<T>): Promise<T> {
  const lastTryMs = performance.now() + callTimeoutMs - tryTimeoutMs;
  for (const pauseMs of retryPausesMs) {
    try {
      return await run();
    } catch (error) {
      if (!isFailure(error) || performance.now() + pauseMs > lastTryMs) throw error;
      await pause(pauseMs);
    }
  }
  return await run();
}

/** A stream for one message: nothing is left open that could fail later. */
async function keepAliveOnce(client: LeaseClient, leaseId: string): Promise<number> {
  const stream = await client.leaseKeepAlive({ deadline: tryDeadline() });
  return await new Promise((resolve, reject) => {
    stream.on('data', ({ TTL }) => {
      stream.end();
      resolve(Number(TTL));
    });
    stream.on('error', (error) => {
      reject(castGrpcError(error));
    });
    stream.on('end', () => {
      reject(new Error('the stream ended without an answer'));
    });
    stream.write({ ID: leaseId });
  });
}
