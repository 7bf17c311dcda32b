// etcd3 parses its .proto files whenever it is loaded, from beside its own folder. A bundle has
// no such folder, and a cold start no such time: what the parser would find is put into the
// bundle instead.

import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Plugin } from 'esbuild';
import protobufjs, { type INamespace } from 'protobufjs';

const root = resolve(import.meta.dirname, '../..');
const parsing = /\(0, proto_loader_1\.loadSync\)\(`\$\{__dirname\}\/\.\.\/proto\/rpc\.proto`/;
const parsed =
  'require("#lib/etcd/service-definitions.ts").serviceDefinitions(require("etcd3:rpc")';
const loader = 'const proto_loader_1 = require("@grpc/proto-loader");';

/** Fails the build where etcd3 reads its messages in another way than expected. */
export const etcd3Proto: Plugin = {
  name: 'etcd3-proto',
  setup(build) {
    build.onLoad({ filter: /etcd3\/lib\/connection-pool\.js$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8');
      if (!parsing.test(source) || !source.includes(loader)) {
        throw new Error('etcd3 reads its .proto files in another way');
      }
      return { contents: source.replace(parsing, parsed).replace(loader, ''), loader: 'js' };
    });
    build.onResolve({ filter: /^#lib\/etcd\/service-definitions\.ts$/ }, () => ({
      path: join(root, 'lib/etcd/service-definitions.ts'),
    }));
    // Its name is in the bundle, which must not say where it was made.
    build.onResolve({ filter: /^etcd3:rpc$/ }, ({ importer }) => ({
      path: relative(root, join(dirname(importer), '../proto/rpc.proto')),
      namespace: 'etcd3-proto',
    }));
    build.onLoad({ filter: /.*/, namespace: 'etcd3-proto' }, ({ path }) => ({
      contents: JSON.stringify(messagesIn(join(root, path))),
      loader: 'json',
    }));
  },
};

/** What the parser that comes with etcd3 finds in the file, as etcd3 has it look. */
export function messagesIn(protoFile: string): INamespace {
  return new protobufjs.Root().loadSync(protoFile, { keepCase: true }).toJSON();
}
