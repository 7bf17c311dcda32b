// Where the API server is and who asks: from a kubeconfig (several files, exec plugins, OIDC,
// client certificates, proxies), or from the ServiceAccount of the pod the program runs in.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node';
import type { Dispatcher } from 'undici';
import { CliError } from '../exit.ts';

type ClientNode = typeof import('@kubernetes/client-node');

/** What the command line says about the cluster. */
export interface ClusterOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
}

export interface Credentials {
  /** Without a slash at the end. */
  readonly server: string;
  /** For messages: the context's user, or the ServiceAccount. */
  readonly user: string;
  readonly context: string;
  /** By the ServiceAccount of the pod that the program runs in. */
  readonly isInside: boolean;
  /** What each request carries; asked for each time, since tokens are short-lived. */
  headers(): Promise<Record<string, string>>;
  /** The connections, kept; anew after `renew`. */
  dispatcher(): Promise<Dispatcher | undefined>;
  /** Forgets connections and with them client certificates, which an exec plugin may renew. */
  renew(): void;
}

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Whether some cluster is configured at all; costs next to nothing. */
export function knowsCluster(
  options: ClusterOptions,
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return kubeconfigFiles(options, env).length > 0 || isInCluster(env);
}

/** Throws CliError where no cluster is known, or its configuration cannot be read. */
export async function loadCredentials(
  options: ClusterOptions,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Credentials> {
  // A thousand modules: only whoever asks a cluster pays for them.
  const client = await import('@kubernetes/client-node');
  const config = readConfig(client, options, env);
  if (options.context !== undefined) config.setCurrentContext(options.context);
  const context = config.getCurrentContext() as string | undefined;
  const known = config.getContexts().map(({ name }) => name);
  if (context === undefined || !known.includes(context)) {
    const list = known.length === 0 ? 'none' : known.join(', ');
    const which = context === undefined ? 'no context is chosen' : `there is no context ${context}`;
    throw new CliError(`${which} in the kubeconfig (it has: ${list}). Name one with --context`);
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null || !URL.canParse(cluster.server)) {
    throw new CliError(`the context ${context} of the kubeconfig names no cluster with an address`);
  }
  const isInside = kubeconfigFiles(options, env).length === 0;
  return { isInside, ...credentialsOf(client, config, cluster.server.replace(/\/+$/, '')) };
}

function credentialsOf(
  client: ClientNode,
  config: KubeConfig,
  server: string,
): Omit<Credentials, 'isInside'> {
  let kept: Dispatcher | undefined;
  let isKept = false;
  const apply = async () => {
    const context = new client.RequestContext(server, client.HttpMethod.GET);
    await config.applySecurityAuthentication(context);
    return context;
  };
  return {
    server,
    user: config.getCurrentUser()?.name ?? 'the anonymous user',
    context: config.getCurrentContext(),
    async headers() {
      return (await apply()).getHeaders();
    },
    async dispatcher() {
      if (!isKept) kept = (await apply()).getDispatcher();
      isKept = true;
      return kept;
    },
    renew() {
      isKept = false;
    },
  };
}

function readConfig(
  client: ClientNode,
  options: ClusterOptions,
  env: Readonly<Record<string, string | undefined>>,
): KubeConfig {
  const config = new client.KubeConfig();
  const files = kubeconfigFiles(options, env);
  if (files.length === 0) {
    if (!isInCluster(env)) {
      throw new CliError(
        'no cluster is known: set KUBECONFIG, or name a kubeconfig with --kubeconfig',
      );
    }
    config.loadFromCluster();
    return config;
  }
  for (const [index, file] of files.entries()) {
    const one = index === 0 ? config : new client.KubeConfig();
    try {
      one.loadFromFile(file);
    } catch (error) {
      throw new CliError(`cannot read the kubeconfig ${file}: ${(error as Error).message}`);
    }
    if (one !== config) merge(config, one);
  }
  return config;
}

/** As kubectl does it: of what two files name, the first one counts. */
function merge(config: KubeConfig, more: KubeConfig): void {
  const fresh = <T extends { readonly name: string }>(have: readonly T[], add: readonly T[]) =>
    add.filter(({ name }) => !have.some((one) => one.name === name));
  config.clusters.push(...fresh(config.clusters, more.clusters));
  config.users.push(...fresh(config.users, more.users));
  config.contexts.push(...fresh(config.contexts, more.contexts));
  if (!config.currentContext) config.currentContext = more.currentContext;
}

/** The files that count; a file named on the command line is to be there. */
function kubeconfigFiles(
  { kubeconfig }: ClusterOptions,
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  if (kubeconfig !== undefined) return [kubeconfig];
  const named = (env.KUBECONFIG ?? '').split(delimiter).filter((file) => file !== '');
  const home = env.HOME === undefined ? [] : [join(env.HOME, '.kube', 'config')];
  const all = named.length > 0 ? named : home;
  return all.filter((file) => existsSync(file));
}

function isInCluster(env: Readonly<Record<string, string | undefined>>): boolean {
  return (env.KUBERNETES_SERVICE_HOST ?? '') !== '' && existsSync(join(accountFolder, 'token'));
}
