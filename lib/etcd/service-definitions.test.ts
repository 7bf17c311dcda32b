import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { expect, test } from 'vitest';
import { messagesIn } from '#knative/local/etcd3-proto.ts';
import { serviceDefinitions } from './service-definitions.ts';

// As etcd3 reads them.
const etcd3 = dirname(createRequire(import.meta.url).resolve('etcd3/package.json'));
const protoFile = join(etcd3, 'proto/rpc.proto');
const options = { keepCase: true, longs: String, enums: String, defaults: true, oneofs: true };

const theirs = Object.entries(loadSync(protoFile, options)).flatMap(([name, definition]) =>
  'format' in definition ? [] : [[name, definition as ServiceDefinition] as const],
);
const ours = serviceDefinitions(messagesIn(protoFile), options);

const said = ({
  path,
  requestStream,
  responseStream,
  originalName,
}: ServiceDefinition[string]) => ({
  ...{ path, requestStream, responseStream, originalName },
});
const toldOf = (service: ServiceDefinition) =>
  Object.fromEntries(Object.entries(service).map(([name, method]) => [name, said(method)]));

test('every service and method of etcd3 is there, by the same names and paths', () => {
  expect(theirs.length).toBeGreaterThan(4);
  expect(Object.keys(ours)).toEqual(theirs.map(([name]) => name));
  for (const [name, service] of theirs) expect(toldOf(ours[name] ?? {})).toEqual(toldOf(service));
});

test.each([
  [
    'KV',
    'Range',
    { key: Buffer.from('a'), range_end: Buffer.from('b'), limit: '9007199254740993' },
  ],
  ['KV', 'Txn', { compare: [{ key: Buffer.from('k'), target: 'CREATE', create_revision: '7' }] }],
  ['Lease', 'LeaseGrant', { ID: '7587870511134521349', TTL: 10 }],
  ['Watch', 'Watch', { create_request: { key: Buffer.from('k'), filters: ['NODELETE'] } }],
])('%s.%s is written and read as by etcd3’s own loader', (serviceName, methodName, message) => {
  const name = `etcdserverpb.${serviceName}`;
  type Method = MethodDefinition<object, object> | undefined;
  const own = ours[name]?.[methodName] as Method;
  const their = theirs.find(([one]) => one === name)?.[1][methodName] as Method;
  if (own === undefined || their === undefined) throw new Error('no such method');
  const bytes = own.requestSerialize(message);
  expect(bytes).toEqual(their.requestSerialize(message));
  expect(bytes.length).toBeGreaterThan(0);
  expect(own.requestDeserialize(bytes)).toEqual(their.requestDeserialize(bytes));
  expect(own.responseDeserialize(Buffer.alloc(0))).toEqual(
    their.responseDeserialize(Buffer.alloc(0)),
  );
});
