// What the project knows of etcd: transactions, leases and watches in plain values. Nothing
// outside this folder sees the client library.

/** etcd could not be asked, or did not answer in time: the outcome of a write is unknown. */
export class EtcdUnavailable extends Error {
  override readonly name = 'EtcdUnavailable';

  constructor(operation: string, options: ErrorOptions) {
    const { cause } = options;
    super(`etcd ${operation}: ${cause instanceof Error ? cause.message : 'no answer'}`, options);
  }
}

/** The lease has expired or was revoked; every key attached to it is gone. */
export class LeaseNotFound extends Error {
  override readonly name = 'LeaseNotFound';
}

export interface KeyValue {
  readonly key: string;
  readonly value: string;
  /** Unchanged by later writes, until the key is deleted. */
  readonly createRevision: number;
  /** Decimal, `'0'` where no lease is attached. */
  readonly leaseId: string;
}

/** A condition of a transaction; all must hold for `then`, else `otherwise` is done. */
export type Compare =
  | { readonly key: string; readonly absent: true }
  | { readonly key: string; readonly value: string }
  | { readonly key: string; readonly createRevision: number }
  | { readonly key: string; readonly leaseId: string };

export type Operation =
  | { readonly put: string; readonly value: string; readonly leaseId: string }
  | { readonly delete: string }
  | { readonly get: string }
  | {
      /** Keys below the prefix, in the order of their creation. */
      readonly list: string;
      readonly order: 'oldest' | 'newest';
      readonly limit: number;
      readonly createdBefore?: number;
      readonly createdAfter?: number;
    };

export interface Transaction {
  readonly when: readonly Compare[];
  readonly then: readonly Operation[];
  readonly otherwise?: readonly Operation[];
}

export interface TransactionResult {
  /** Whether the conditions held. */
  readonly succeeded: boolean;
  /** etcd's revision when this was done. */
  readonly revision: number;
  /** What each operation read, in order; empty for a write. Reads see earlier writes. */
  readonly reads: readonly (readonly KeyValue[])[];
}

export interface WatchRequest {
  /** A key, or with `prefix` every key that begins so. */
  readonly key: string;
  readonly prefix?: boolean;
  /** The first revision of interest: one more than that of the read it continues. */
  readonly fromRevision: number;
  /** What is of interest; both where not said. */
  readonly only?: 'put' | 'delete';
}

export interface WatchListener {
  /** `createRevision` is 0 for a deletion. */
  onEvent(event: { readonly key: string; readonly createRevision: number }): void;
  /** No more events will come. Read again, and watch again from there. */
  onBroken(): void;
}

/** Every method fails with EtcdUnavailable within a few seconds at most. */
export interface EtcdClient {
  /** Linearizable, also where it only reads. Fails with LeaseNotFound for a put on a dead lease. */
  transact(transaction: Transaction): Promise<TransactionResult>;
  /** Grants a lease with an id chosen by the caller; fails if that id is taken. */
  grantLease(leaseId: string, ttlSeconds: number): Promise<void>;
  /** One keep-alive: the seconds the lease lives on, 0 if it is gone. */
  keepLeaseAlive(leaseId: string): Promise<number>;
  /** Ends the lease and deletes its keys; nothing happens if it is gone. */
  revokeLease(leaseId: string): Promise<void>;
  /** The keys attached to the lease, none if it is gone. */
  leaseKeys(leaseId: string): Promise<readonly string[]>;
  /** Watches until the returned function is called or `onBroken` was. Never throws. */
  watch(request: WatchRequest, listener: WatchListener): () => void;
  close(): void;
}
