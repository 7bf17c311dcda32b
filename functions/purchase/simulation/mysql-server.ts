// MySQL's side: sessions, one of which may write at a time. The others wait for it as they would for the
// product's row; what is not committed is seen by nobody else and ends with its session.

import { mysqlLockWaitSeconds } from '#lib/constants.ts';
import { type Database, translate } from './mysql-database.ts';
import type { Answer } from './network.ts';
import type { Process, VirtualTime } from './virtual-time.ts';

export interface Session {
  readonly process: Process;
  isOpen: boolean;
  inTransaction: boolean;
  /** It has the write lock, and what it wrote is not committed. */
  isWriting: boolean;
  lastHeardMs: number;
}

export interface Statement {
  readonly sql: string;
  readonly params: readonly unknown[];
  readonly asArrays: boolean;
}

interface Waiter {
  readonly session: Session;
  readonly enter: () => void;
  readonly cancelTimeout: () => void;
}

/** As the shipped client sets `wait_timeout`. */
const sessionIdleMs = 30_000;

export function mysqlError(code: string, sqlState = '', message = code): Error {
  return Object.assign(new Error(message), { code, sqlState, errno: 1 });
}

export class MysqlServer {
  readonly #time: VirtualTime;
  readonly #database: Database;
  readonly #sessions = new Set<Session>();
  #waiting: Waiter[] = [];
  #isLocked = false;

  constructor(time: VirtualTime, database: Database) {
    this.#time = time;
    this.#database = database;
  }

  open(process: Process): Session {
    const session = {
      ...{ process, isOpen: true, inTransaction: false, isWriting: false, lastHeardMs: 0 },
    };
    this.#sessions.add(session);
    return session;
  }

  /** The server notices that a process is gone. */
  processDied(process: Process): void {
    for (const session of this.#sessions) if (session.process === process) this.end(session);
  }

  /** Whatever it has not committed is rolled back. */
  end(session: Session): void {
    if (!session.isOpen) return;
    session.isOpen = false;
    this.#sessions.delete(session);
    this.#waiting = this.#waiting.filter((waiter) => waiter.session !== session);
    if (session.isWriting) this.#finish(session, 'rollback');
  }

  execute(session: Session, statement: Statement, answer: Answer<unknown>): void {
    if (!session.isOpen) {
      answer.fail(Object.assign(mysqlError('PROTOCOL_CONNECTION_LOST'), { fatal: true }));
      return;
    }
    this.#endWhenIdle(session);
    const { sql } = statement;
    if (sql === 'begin') {
      session.inTransaction = true;
      answer.give([]);
    } else if (sql === 'commit' || sql === 'rollback') {
      session.inTransaction = false;
      if (session.isWriting) this.#finish(session, sql);
      answer.give([]);
    } else {
      this.#run(session, statement, answer);
    }
  }

  #run(session: Session, { sql, params, asArrays }: Statement, answer: Answer<unknown>): void {
    const { text, locks } = translate(sql);
    const run = () => {
      try {
        const sees = session.isWriting;
        answer.give(this.#database.run(text, params, { asArrays, sees }));
      } catch (error) {
        answer.fail(error as Error);
      }
      if (session.isWriting && !session.inTransaction) this.#finish(session, 'commit');
    };
    if (!locks || session.isWriting) run();
    else this.#lockThen(session, run, answer);
  }

  #lockThen(session: Session, run: () => void, answer: Answer<unknown>): void {
    const enter = () => {
      this.#isLocked = true;
      session.isWriting = true;
      this.#database.begin();
      run();
    };
    if (!this.#isLocked) {
      enter();
      return;
    }
    const cancelTimeout = this.#time.after(mysqlLockWaitSeconds * 1_000, () => {
      this.#waiting = this.#waiting.filter((waiter) => waiter.session !== session);
      answer.fail(mysqlError('ER_LOCK_WAIT_TIMEOUT', 'HY000'));
    });
    this.#waiting.push({ session, enter, cancelTimeout });
  }

  #finish(session: Session, how: 'commit' | 'rollback'): void {
    this.#database[how]();
    session.isWriting = false;
    this.#isLocked = false;
    const next = this.#waiting.shift();
    next?.cancelTimeout();
    next?.enter();
  }

  /** An instance that froze in the middle of a transaction does not hold it for ever. */
  #endWhenIdle(session: Session): void {
    session.lastHeardMs = this.#time.nowMs;
    this.#time.after(sessionIdleMs, () => {
      const isIdle = session.lastHeardMs + sessionIdleMs <= this.#time.nowMs;
      if (session.isOpen && isIdle) this.end(session);
    });
  }
}
