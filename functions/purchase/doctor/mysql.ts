// Whether MySQL is set as the orders need it: the last migration is there, commits are on disk,
// and there is room for every instance's connections.

import type { RowDataPacket } from 'mysql2/promise';
import { type Check, checksOf } from '#lib/diagnosis.ts';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { mysqlErrorOf } from '#lib/mysql/error.ts';

export interface MysqlSettings {
  readonly version: string;
  readonly isReadOnly: boolean;
  readonly flushAtCommit: number;
  /** Undefined where no binary log is written. */
  readonly syncBinlog: number | undefined;
  readonly connectionsMax: number;
  readonly connections: number;
  readonly packetBytesMax: number;
  /** Hours between the zone of the session and UTC. */
  readonly zoneHours: number;
}

/** A migration of this release. */
export interface Migration {
  readonly tag: string;
  readonly madeAt: number;
}

const say = checksOf('MySQL');
const fullFrom = 0.8;
/** A transaction of persist-order, some thousand rows of a hundred bytes, in one statement. */
const packetBytesMin = 4 * 1_048_576;

/** Throws where MySQL does not answer. */
export async function checkMysql(
  mysql: MysqlClient,
  migrations: readonly Migration[],
): Promise<Check[]> {
  const settings = await readSettings(mysql);
  return [...judgeMysql(settings), await checkSchema(mysql, migrations)];
}

async function readSettings({ pool }: MysqlClient): Promise<MysqlSettings> {
  const [[row = {} as RowDataPacket]] = await pool.query<RowDataPacket[]>(
    `select version() as version, @@global.read_only as readOnly,
       @@global.innodb_flush_log_at_trx_commit as flushAtCommit, @@global.log_bin as logBin,
       @@global.sync_binlog as syncBinlog, @@global.max_connections as connectionsMax,
       @@global.max_allowed_packet as packetBytesMax,
       timestampdiff(minute, utc_timestamp(), now()) as zoneMinutes`,
  );
  const [threads] = await pool.query<RowDataPacket[]>("show status like 'Threads_connected'");
  return {
    version: String(row['version']),
    isReadOnly: Number(row['readOnly']) === 1,
    flushAtCommit: Number(row['flushAtCommit']),
    syncBinlog: Number(row['logBin']) === 1 ? Number(row['syncBinlog']) : undefined,
    connectionsMax: Number(row['connectionsMax']),
    connections: Number(threads[0]?.['Value'] ?? 0),
    packetBytesMax: Number(row['packetBytesMax']),
    zoneHours: Number(row['zoneMinutes']) / 60,
  };
}

export function judgeMysql(settings: MysqlSettings): Check[] {
  return [
    checkVersion(settings),
    checkWritable(settings),
    checkDurability(settings),
    checkConnections(settings),
    checkPackets(settings),
    checkZone(settings),
  ];
}

function checkVersion({ version }: MysqlSettings): Check {
  const [major = 0, minor = 0] = version.split('.').map(Number.parseFloat);
  const isMariaDb = /mariadb/i.test(version);
  const isOld = isMariaDb ? major < 10 || (major === 10 && minor < 6) : major < 8;
  if (!isOld) return say.ok('version', version);
  return say.wrong('version', {
    found: `its version is ${version}`,
    why: 'the statements are tested with MySQL 8 and MariaDB 10.11',
    todo: 'upgrade it to MySQL 8 or later',
  });
}

function checkWritable({ isReadOnly }: MysqlSettings): Check {
  if (!isReadOnly) return say.ok('writable', 'it takes writes');
  return say.wrong('writable', {
    found: 'it is read-only',
    why: 'orders cannot become rows',
    todo: 'point SECKILL_MYSQL_URL at the primary, or end its read-only mode',
  });
}

function checkDurability({ flushAtCommit, syncBinlog }: MysqlSettings): Check {
  const faults = [
    ...(flushAtCommit === 1 ? [] : [`innodb_flush_log_at_trx_commit is ${flushAtCommit}`]),
    ...(syncBinlog === undefined || syncBinlog === 1 ? [] : [`sync_binlog is ${syncBinlog}`]),
  ];
  if (faults.length === 0) return say.ok('durability', 'every commit is on disk');
  return say.wrong('durability', {
    found: faults.join(', '),
    why: 'rows that were answered for can be gone after a crash, when Kafka no longer sends them',
    todo: 'set innodb_flush_log_at_trx_commit = 1, and sync_binlog = 1 where it writes a binary log',
  });
}

function checkConnections({ connections, connectionsMax }: MysqlSettings): Check {
  if (connections <= fullFrom * connectionsMax) {
    return say.ok('connections', `${connections} of ${connectionsMax}`);
  }
  return say.wrong('connections', {
    found: `${connections} of ${connectionsMax} connections are taken`,
    why: 'instances that start in the sale would get none',
    todo: 'raise max_connections, or end what else is connected',
  });
}

function checkPackets({ packetBytesMax }: MysqlSettings): Check {
  if (packetBytesMax >= packetBytesMin) return say.ok('packets', 'a full batch of rows fits');
  return say.wrong('packets', {
    found: `max_allowed_packet is ${packetBytesMax}`,
    why: 'a full batch of rows is larger: it is split until it fits, which is slow',
    todo: `set max_allowed_packet to ${packetBytesMin} or more`,
  });
}

function checkZone({ zoneHours }: MysqlSettings): Check {
  if (zoneHours === 0) return say.ok('zone', 'UTC');
  return say.advice('zone', {
    found: `its time zone is ${Math.round(zoneHours * 10) / 10} h from UTC`,
    why: 'rows are written in UTC all the same; what you ask with now() is not',
    todo: "set default_time_zone to '+00:00'",
  });
}

async function checkSchema(
  { pool }: MysqlClient,
  migrations: readonly Migration[],
): Promise<Check> {
  const done = new Set(await appliedIn(pool));
  const missing = migrations.filter(({ madeAt }) => !done.has(madeAt)).map(({ tag }) => tag);
  const known = new Set(migrations.map(({ madeAt }) => madeAt));
  if (missing.length > 0) {
    return say.wrong('schema', {
      found: `not applied: ${missing.join(', ')}`,
      why: 'statements of this release fail for want of tables or columns',
      todo: 'run the migration Job: `kubectl -n seckill get jobs` shows it and why it has not ended',
    });
  }
  const newer = [...done].filter((madeAt) => !known.has(madeAt)).length;
  const last = migrations.at(-1)?.tag ?? 'none';
  return say.ok('schema', newer === 0 ? last : `${last}, and ${newer} of a later release`);
}

/** By when they were made; none where there is no table of them. */
async function appliedIn(pool: MysqlClient['pool']): Promise<number[]> {
  try {
    const [rows] = await pool.query<RowDataPacket[]>(
      'select made_at as madeAt from migrations where statements_done > 0 ' +
        'and statements_done = statements_begun',
    );
    return rows.map((row) => Number(row['madeAt']));
  } catch (error) {
    if (mysqlErrorOf(error).code === 'ER_NO_SUCH_TABLE') return [];
    throw error;
  }
}
