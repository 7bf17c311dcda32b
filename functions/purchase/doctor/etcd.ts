// Whether etcd is set as the locks need it: a majority answers, and it forgets old revisions.

import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { EtcdMember } from '#lib/etcd/inspect.ts';

const say = checksOf('etcd');

/**
 * Thirty minutes of hand-overs, a hundred a second, three writes each: compaction every few
 * minutes has had its turn by then, however busy the sale.
 */
const uncompactedRevisionsMax = 500_000;
/** Half of the quota that etcd has where none is set, 2 GiB: full, it takes no more locks. */
const databaseBytesMax = 1_073_741_824;

/** The checks of all members, of which at least one has answered. */
export function judgeEtcd(
  members: readonly EtcdMember[],
  uncompactedMax: number = uncompactedRevisionsMax,
): Check[] {
  const present = members.filter(({ away }) => away === undefined);
  return [
    checkMembers(members),
    checkAlarms(present),
    checkCompaction(present, uncompactedMax),
    checkSize(present),
  ];
}

function checkMembers(members: readonly EtcdMember[]): Check {
  const away = members.filter((member) => member.away !== undefined);
  const leaderless = members.filter((member) => member.away === undefined && !member.hasLeader);
  if (leaderless.length > 0) {
    return say.wrong('members', {
      found: `${endpointsOf(leaderless)}: no leader is known`,
      why: 'without a majority of its members etcd grants no lock, and nothing can be sold',
      todo: 'see `etcdctl endpoint status`, and bring the missing members back',
    });
  }
  if (away.length > 0) {
    return say.wrong('members', {
      found: away.map(({ endpoint, away: why = '' }) => `${endpoint}: ${why}`).join('; '),
      why: 'one member more, and there may be no majority: nothing could be sold',
      todo: 'bring it back, or take it out of SECKILL_ETCD_ENDPOINTS if it is gone for good',
    });
  }
  const versions = [...new Set(members.map(({ version }) => version))].join(', ');
  return say.ok('members', `${members.length} of version ${versions}`);
}

function checkAlarms(members: readonly EtcdMember[]): Check {
  const alarms = [...new Set(members.flatMap((member) => member.alarms))];
  if (alarms.length === 0) return say.ok('alarms', 'none');
  return say.wrong('alarms', {
    found: `alarm ${alarms.join(', ')}`,
    why: alarms.includes('NOSPACE')
      ? 'its quota is used up: it takes no writes, grants no locks, and nothing can be sold'
      : 'its members disagree about what is stored',
    todo: alarms.includes('NOSPACE')
      ? 'compact, `etcdctl defrag`, then `etcdctl alarm disarm`; set auto-compaction'
      : 'restore it from a backup: see "Backup" in the operator\'s guide',
  });
}

function checkCompaction(members: readonly EtcdMember[], uncompactedMax: number): Check {
  const revision = Math.max(...members.map((member) => member.revision));
  const isUncompacted = members.some(({ isCompacted }) => isCompacted === false);
  if (members.some(({ isCompacted }) => isCompacted === undefined)) {
    return say.advice('compaction', {
      found: 'old revisions may not be read with the rights of this user',
      why: 'so it cannot be told whether etcd forgets them',
      todo: 'give the user of `purchase` the right to read keys below /seckill/',
    });
  }
  if (!isUncompacted) return say.ok('compaction', 'old revisions are compacted');
  if (revision <= uncompactedMax) {
    return say.ok('compaction', `not needed so far, at revision ${revision}`);
  }
  return say.wrong('compaction', {
    found: `nothing has been compacted since its beginning, ${revision} revisions ago`,
    why: 'a hundred hand-overs of locks a second fill its quota, and then nothing can be sold',
    todo: 'start etcd with --auto-compaction-mode=periodic --auto-compaction-retention=5m',
  });
}

function checkSize(members: readonly EtcdMember[]): Check {
  const bytes = Math.max(...members.map(({ databaseBytes }) => databaseBytes));
  const size = `${Math.round(bytes / 1_048_576)} MiB`;
  if (bytes <= databaseBytesMax) return say.ok('size', size);
  return say.wrong('size', {
    found: `its database has ${size}; where no quota is set it may have 2048`,
    why: 'once the quota is used up etcd takes no writes, and nothing can be sold',
    todo: '`etcdctl defrag` each member in turn, and see that auto-compaction is set',
  });
}

function endpointsOf(members: readonly EtcdMember[]): string {
  return members.map(({ endpoint }) => endpoint).join(', ');
}
