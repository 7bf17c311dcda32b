// Which system is looked at: what the command line names, else the local runtime at work in this
// checkout, else the cluster of the current context.

import type { Command } from 'commander';
import { isAlive, readState, stateFolder } from '#knative/local/state.ts';
import type { Io } from '../command.ts';
import { CliError } from '../exit.ts';
import { connectKube, type KubeOptions, knowsCluster } from '../kube/client.ts';
import { kubeSource } from './kube-source.ts';
import { localSource } from './local-source.ts';
import type { Source } from './look.ts';

/** Throws CliError where none is known. */
export async function sourceOf(command: Command, { env, interrupted }: Io): Promise<Source> {
  const options = command.optsWithGlobals<KubeOptions>();
  const folder = stateFolder(env.SECKILL_STATE_DIR ?? '');
  const { running, ports } = readState(folder);
  const isLocal = running !== undefined && isAlive(running);
  const asked = (env.SECKILL_URL ?? '').replace(/\/+$/, '');
  const isAnother = asked !== '' && asked !== running?.env.SECKILL_URL;
  const namesCluster = [options.kubeconfig, options.context, options.namespace].some(
    (name) => name !== undefined,
  );
  if (isLocal && !isAnother && !namesCluster) return localSource({ folder, ports }, interrupted);
  if (!knowsCluster(options, env)) {
    throw new CliError(
      'no system can be looked at: start one here with `npm start`, or name a cluster with ' +
        '--kubeconfig, --context or KUBECONFIG (an address alone does not tell of instances)',
    );
  }
  return kubeSource(await connectKube({ ...options, interrupted }, env));
}
