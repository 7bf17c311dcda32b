// MySQL as mysql2 offers it: a pool of connections over a simulated wire. Only what the shipped code
// uses; a pool has as many connections as are asked for.

import { drizzle } from 'drizzle-orm/mysql2';
import type { Pool } from 'mysql2/promise';
import type { MysqlClient } from '#lib/mysql/connect.ts';
import { type Database, stepOf } from './mysql-database.ts';
import { MysqlServer, mysqlError, type Session } from './mysql-server.ts';
import type { Network } from './network.ts';
import { current, type Process, type VirtualTime } from './virtual-time.ts';

export interface MysqlOptions {
  /** For how long the server may be silent on a statement. */
  readonly silenceMaxMs?: number;
}

type Query = string | { readonly sql: string; readonly rowsAsArray?: boolean };

export class SimulatedMysql {
  readonly #time: VirtualTime;
  readonly #network: Network;
  readonly #server: MysqlServer;
  #connections = 0;

  constructor(time: VirtualTime, network: Network, database: Database) {
    this.#time = time;
    this.#network = network;
    this.#server = new MysqlServer(time, database);
  }

  /** For the process that is running. */
  connect({ silenceMaxMs }: MysqlOptions = {}): MysqlClient {
    const process = current()?.process;
    if (process === undefined) throw new Error('nobody runs who could connect');
    const pool = new SimulatedPool(() => this.#open(process, silenceMaxMs)) as unknown as Pool;
    return { pool, db: drizzle(pool) };
  }

  processDied(process: Process): void {
    this.#server.processDied(process);
  }

  #open(process: Process, timeoutMs: number | undefined): Wire {
    this.#connections += 1;
    const channel = `mysql ${this.#connections}`;
    const session = this.#server.open(process);
    return {
      session,
      ask: (sql, params, asArrays) =>
        this.#network.call<unknown>('mysql', stepOf(sql), {
          channel,
          ...(timeoutMs === undefined ? {} : { timeoutMs }),
          errorOf: (reason) =>
            Object.assign(mysqlError('PROTOCOL_CONNECTION_LOST', '', reason), { fatal: true }),
          serve: {
            later: (answer) => {
              this.#server.execute(session, { sql, params, asArrays }, answer);
            },
          },
        }),
      // What is on its way may be done before the server hears that nobody is there any more.
      end: () => {
        this.#time.after(endNoticedMs, () => {
          this.#server.end(session);
        });
      },
    };
  }
}

const endNoticedMs = 500;

/** A connection as the network sees it. */
interface Wire {
  readonly session: Session;
  readonly ask: (sql: string, params: readonly unknown[], asArrays: boolean) => Promise<unknown>;
  readonly end: () => void;
}

class SimulatedConnection {
  readonly #wire: Wire;
  readonly #idle: SimulatedConnection[];
  #isBroken = false;

  constructor(wire: Wire, idle: SimulatedConnection[]) {
    this.#wire = wire;
    this.#idle = idle;
  }

  async query(query: Query, params: readonly unknown[] = []): Promise<unknown[]> {
    const { sql, rowsAsArray = false } = typeof query === 'string' ? { sql: query } : query;
    try {
      if (this.#isBroken) throw mysqlError('PROTOCOL_CONNECTION_LOST');
      return [await this.#wire.ask(sql, params, rowsAsArray), []];
    } catch (error) {
      // A connection that broke is no use to anybody.
      if ((error as { fatal?: boolean }).fatal) this.destroy();
      throw error;
    }
  }

  async beginTransaction(): Promise<void> {
    await this.query('begin');
  }

  async commit(): Promise<void> {
    await this.query('commit');
  }

  async rollback(): Promise<void> {
    await this.query('rollback');
  }

  isUsable(): boolean {
    return !this.#isBroken && this.#wire.session.isOpen;
  }

  release(): void {
    if (this.isUsable() && !this.#idle.includes(this)) this.#idle.push(this);
  }

  destroy(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#wire.end();
  }
}

class SimulatedPool {
  readonly #open: () => Wire;
  readonly #idle: SimulatedConnection[] = [];

  constructor(open: () => Wire) {
    this.#open = open;
  }

  getConnection(): Promise<SimulatedConnection> {
    let connection = this.#idle.pop();
    // What the server has ended meanwhile has left the pool.
    while (connection && !connection.isUsable()) connection = this.#idle.pop();
    return Promise.resolve(connection ?? new SimulatedConnection(this.#open(), this.#idle));
  }

  async query(query: Query, params?: readonly unknown[]): Promise<unknown[]> {
    const connection = await this.getConnection();
    try {
      return await connection.query(query, params);
    } finally {
      connection.release();
    }
  }
}
