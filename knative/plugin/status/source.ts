// Which system is looked at: what the command line names, else the local runtime at work in this
// checkout, else the cluster of the current context. An address alone does not tell of instances.

import { isAlive, readState, stateFolder } from '#knative/local/state.ts';
import type { Invocation } from '../command.ts';
import { CliError } from '../exit.ts';
import { localSource } from './local-source.ts';
import type { Source } from './look.ts';

/** Throws CliError where none is known. */
export async function sourceOf({ io, surroundings }: Invocation): Promise<Source> {
  const { env, interrupted } = io;
  const { cluster, kube } = surroundings;
  const folder = stateFolder(env.SECKILL_STATE_DIR ?? '');
  const { running } = readState(folder);
  const asked = (env.SECKILL_URL ?? '').replace(/\/+$/, '');
  const isAnother = asked !== '' && asked !== running?.env.SECKILL_URL;
  const isLocal = cluster !== 'named' && !isAnother && running !== undefined && isAlive(running);
  if (isLocal) return localSource({ folder, processes: running.processes }, interrupted);
  if (cluster === undefined) {
    throw new CliError(
      'no system can be looked at: start one here with `npm start`, or name a cluster with ' +
        'KUBECONFIG, --kubeconfig or --context (an address alone does not tell of instances)',
    );
  }
  // Whoever looks at the local runtime does not pay for it.
  const { kubeSource } = await import('./kube-source.ts');
  return kubeSource(await kube());
}
