// What sale windows depend on: that instances which were warmed are kept.

import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { Revision } from '../kube/claims.ts';
import { type Kube, kinds } from '../kube/client.ts';
import { lostWarmthOf, remedyOf } from '../kube/lost-warmth.ts';

const say = checksOf('cluster');

/** What `scale warm` promised is kept by the revisions that are live now, or is not. */
export async function checkWarmth(kube: Kube): Promise<Check[]> {
  const [first, ...others] = lostWarmthOf(await kube.list<Revision>(kinds.revision));
  if (first === undefined) return [say.ok('warmth', 'nothing that was warmed has gone cold')];
  const told = [first, ...others].map(
    ({ service, holder, wanted, has }) => `${service} keeps ${has} of ${wanted} for ${holder}`,
  );
  const remedy = remedyOf(first);
  const each = others.length > 0 ? ', and so for each' : '';
  return [
    say.wrong('warmth', {
      found: `a roll-out has taken what \`scale warm\` has set: ${told.join('; ')}`,
      why: 'min-scale is of one revision; the one that has replaced it comes only with the crowd',
      todo:
        `\`kn-seckill ${remedy.again}\`${each}; where it is needed no more, ` +
        `\`kn-seckill ${remedy.cool}\``,
    }),
  ];
}
