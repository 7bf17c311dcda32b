// What gRPC has to know of etcd's services, made from messages that are parsed already. The build
// puts it in the place of etcd3's own loader, which also describes every message for reflection,
// that nobody asks for: a good part of a cold start.

import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import protobuf, {
  type IConversionOptions,
  type INamespace,
  type Method,
  type NamespaceBase,
  type Service,
  type Type,
} from 'protobufjs/light.js';

/** The services in `messages` by their full names. A message's codec is made when it is used. */
export function serviceDefinitions(
  messages: INamespace,
  options: IConversionOptions,
): Record<string, ServiceDefinition> {
  const services = servicesIn(protobuf.Root.fromJSON(messages));
  return Object.fromEntries(
    services.map((service) => {
      const name = service.fullName.slice(1);
      const methods = service.methodsArray.map((method) => [
        method.name,
        methodDefinition(name, method, options),
      ]);
      return [name, Object.fromEntries(methods)];
    }),
  );
}

function servicesIn(space: NamespaceBase): Service[] {
  return space.nestedArray.flatMap((one) => {
    if (one instanceof protobuf.Service) return [one];
    return one instanceof protobuf.Namespace ? servicesIn(one) : [];
  });
}

function methodDefinition(
  service: string,
  method: Method,
  options: IConversionOptions,
): MethodDefinition<object, object> {
  const { requestStream = false, responseStream = false, name } = method;
  const request = codec(method, 'resolvedRequestType', options);
  const response = codec(method, 'resolvedResponseType', options);
  return {
    path: `/${service}/${name}`,
    // As etcd3 calls it: HashKV is hashKv.
    originalName: name.replace(/^[A-Z]|(?<=[A-Z])[A-Z]+/g, (letters) => letters.toLowerCase()),
    ...{ requestStream, responseStream },
    ...{ requestSerialize: request.serialize, requestDeserialize: request.deserialize },
    ...{ responseSerialize: response.serialize, responseDeserialize: response.deserialize },
  };
}

function codec(
  method: Method,
  which: 'resolvedRequestType' | 'resolvedResponseType',
  options: IConversionOptions,
) {
  const type = (): Type => {
    method.resolve();
    const found = method[which];
    if (found === null) throw new Error(`${method.fullName} has no such message`);
    return found;
  };
  return {
    serialize: (value: object) => Buffer.from(type().encode(type().fromObject(value)).finish()),
    deserialize: (bytes: Buffer): object => type().toObject(type().decode(bytes), options),
  };
}
