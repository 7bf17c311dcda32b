// Translates between the project's transactions and etcd's messages.

import type {
  ICompare,
  IKeyValue,
  IRangeRequest,
  IRequestOp,
  IResponseOp,
  ITxnRequest,
  ITxnResponse,
  IWatchCreateRequest,
} from 'etcd3';
import type {
  Compare,
  KeyValue,
  Operation,
  Transaction,
  TransactionResult,
  WatchRequest,
} from './etcd.ts';

export function toTxnRequest({ when, then, otherwise = [] }: Transaction): ITxnRequest {
  return {
    compare: when.map(toCompare),
    success: then.map(toOperation),
    failure: otherwise.map(toOperation),
  };
}

export function fromTxnResponse(response: ITxnResponse): TransactionResult {
  return {
    succeeded: response.succeeded,
    revision: Number(response.header.revision),
    reads: response.responses.map(fromOperation),
  };
}

export function toWatchRequest(watchId: number, request: WatchRequest): IWatchCreateRequest {
  const { key, prefix = false, fromRevision, only } = request;
  return {
    watch_id: watchId,
    key: Buffer.from(key),
    ...(prefix ? { range_end: prefixEnd(key) } : {}),
    start_revision: fromRevision,
    // etcd's filters name what is left out.
    filters: only === undefined ? [] : [only === 'put' ? 'Nodelete' : 'Noput'],
  };
}

function toCompare(compare: Compare): ICompare {
  const base = { key: Buffer.from(compare.key), result: 'Equal' } as const;
  if ('absent' in compare) return { ...base, target: 'Create', create_revision: 0 };
  if ('value' in compare) {
    return { ...base, target: 'Value', value: Buffer.from(compare.value) };
  }
  if ('createRevision' in compare) {
    return { ...base, target: 'Create', create_revision: compare.createRevision };
  }
  return { ...base, target: 'Lease', lease: compare.leaseId };
}

function toOperation(operation: Operation): IRequestOp {
  if ('put' in operation) {
    const { put, value, leaseId } = operation;
    return {
      request_put: { key: Buffer.from(put), value: Buffer.from(value), lease: leaseId },
    };
  }
  if ('delete' in operation) {
    return { request_delete_range: { key: Buffer.from(operation.delete) } };
  }
  if ('get' in operation) return { request_range: { key: Buffer.from(operation.get) } };
  return { request_range: toList(operation) };
}

function toList(operation: Extract<Operation, { list: string }>): IRangeRequest {
  const { list, order, limit, createdBefore, createdAfter } = operation;
  return {
    key: Buffer.from(list),
    range_end: prefixEnd(list),
    sort_target: 'Create',
    sort_order: order === 'oldest' ? 'Ascend' : 'Descend',
    limit,
    ...(createdBefore === undefined ? {} : { max_create_revision: createdBefore - 1 }),
    ...(createdAfter === undefined ? {} : { min_create_revision: createdAfter + 1 }),
  };
}

/** The library's types promise all four kinds of answer; it gives the one that was asked for. */
function fromOperation(response: Partial<IResponseOp>): KeyValue[] {
  return (response.response_range?.kvs ?? []).map(fromKeyValue);
}

function fromKeyValue({ key, value, create_revision, lease }: IKeyValue): KeyValue {
  return {
    key: key.toString(),
    value: value.toString(),
    createRevision: Number(create_revision),
    leaseId: lease,
  };
}

/** The first key after all that begin with the prefix (whose last byte is below 255). */
function prefixEnd(prefix: string): Buffer {
  const end = Buffer.from(prefix);
  const last = end.length - 1;
  end.writeUInt8(end.readUInt8(last) + 1, last);
  return end;
}
