// The client of Kubernetes has a class for every object there is, 17 MB of them. The plugin only
// has it read kubeconfigs and sign requests by them, so only that is bundled.

import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import type { Plugin } from 'esbuild';

const folder = dirname(createRequire(import.meta.url).resolve('@kubernetes/client-node'));
const config = join(folder, 'config.js');
const classes = join(folder, 'gen/index.js');
const own = 'kube-config-only';
/** Names are in the bundle, which must not say where it was made. */
const nameOf = (file: string) => relative(resolve(import.meta.dirname, '../..'), file);

const contents = {
  [nameOf(folder)]: `export * from './config.js';
    export { HttpMethod, RequestContext } from './gen/http/http.js';`,
  // For `makeApiClient`, which nobody calls.
  [nameOf(classes)]: 'export const [createConfiguration, ServerConfiguration] = [];',
};

/** Of `@kubernetes/client-node` there is what reads kubeconfigs, and no client. */
export const kubeConfigOnly: Plugin = {
  name: own,
  setup(build) {
    build.onResolve({ filter: /^@kubernetes\/client-node$/ }, () => ({
      path: nameOf(folder),
      namespace: own,
    }));
    build.onResolve({ filter: /^\.\/gen\/index\.js$/ }, ({ importer }) =>
      importer === config ? { path: nameOf(classes), namespace: own } : undefined,
    );
    build.onLoad({ filter: /.*/, namespace: own }, ({ path }) => ({
      contents: contents[path] ?? '',
      resolveDir: folder,
    }));
  },
};
