// What a roll-out has taken: `scale warm` raises min-scale of the revisions that are live then, and
// a revision that replaces one of them begins without it. The old one still remembers who needs
// how many.

import { boundsOf, claimsOf, operatorHolder, type Revision } from './claims.ts';

/** A service that is less warm than somebody was promised. */
export interface LostWarmth {
  readonly service: string;
  /** Who needs it, as `scale warm --for` names it. */
  readonly holder: string;
  readonly wanted: number;
  /** What the live revisions keep, with or without a crowd. */
  readonly has: number;
}

export const serviceLabel = 'serving.knative.dev/service';
const routingLabel = 'serving.knative.dev/routingState';

/** Whether a route leads to it, which keeps its min-scale in force. */
export function isLive({ metadata }: Revision): boolean {
  return metadata.labels?.[routingLabel] === 'active';
}

/**
 * By service, the largest need of each that its live revisions neither remember nor meet. Takes
 * all revisions, those without traffic, too.
 */
export function lostWarmthOf(revisions: readonly Revision[]): LostWarmth[] {
  const byService = Map.groupBy(revisions, ({ metadata }) => metadata.labels?.[serviceLabel] ?? '');
  return [...byService].flatMap(([service, all]) => {
    const live = all.filter(isLive);
    // Without one, as while it is being made, there is nothing that could be warm.
    if (live.length === 0) return [];
    const has = live.reduce((sum, revision) => sum + boundsOf(revision).min, 0);
    const [most] = needsOf(all, live)
      .filter(({ wanted }) => wanted > has)
      .toSorted((one, other) => other.wanted - one.wanted);
    return most === undefined ? [] : [{ service, ...most, has }];
  });
}

type Need = Pick<LostWarmth, 'holder' | 'wanted'>;

/** Who has warmed it again has said anew how many: what older revisions remember is past. */
function needsOf(all: readonly Revision[], live: readonly Revision[]): Need[] {
  const holders = new Set(all.flatMap((revision) => Object.keys(claimsOf(revision))));
  const newestFirst = all.toSorted((one, other) => madeAtMs(other) - madeAtMs(one));
  return [...holders].map((holder) => {
    const countOf = (revision: Revision) => claimsOf(revision)[holder] ?? 0;
    const now = live.reduce((sum, revision) => sum + countOf(revision), 0);
    const last = newestFirst.map(countOf).find((count) => count > 0) ?? 0;
    return { holder, wanted: now > 0 ? now : last };
  });
}

const madeAtMs = ({ metadata }: Revision) => Date.parse(metadata.creationTimestamp ?? '') || 0;

/** What to type, to have it back and to do without it. */
export function remedyOf({ service, holder, wanted }: LostWarmth): { again: string; cool: string } {
  const whose = holder === operatorHolder ? '' : ` --for ${holder}`;
  return {
    again: `scale warm ${service} --to ${wanted}${whose}`,
    cool: `scale cool ${service}${whose}`,
  };
}
