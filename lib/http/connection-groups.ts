// The connections of a server by what goes on there, the longest there first: so it is known at
// once which of them is missed least.

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface Connection {
  readonly socket: Socket;
  readonly unanswered: Set<ServerResponse>;
  /** It came when there was no room: its requests are refused. */
  readonly isExcess: boolean;
  /** One of its requests was refused and it closes: nothing more is taken from it. */
  isClosing: boolean;
  /** Since when it is in its group. */
  sinceMs: number;
  /** Since when its client does not take what we send. */
  unreadSinceMs: number | undefined;
}

export interface ConnectionGroups {
  /** Takes in a connection; where there is no room and none can be made, one in excess. */
  readonly open: (socket: Socket) => void;
  readonly find: (socket: Socket) => Connection | undefined;
  readonly nowBusy: (connection: Connection) => void;
  readonly nowIdle: (connection: Connection) => void;
  readonly allBusy: () => Iterable<Connection>;
  /** To be called about once a second: finds the slow ones, and cuts the far too slow. */
  readonly sweep: () => void;
  /** Cuts those that nothing is to be answered on. */
  readonly cutIdle: () => void;
  readonly cutAll: () => void;
}

/** So old must an unused or a slow connection be before it has to make room for another. */
const graceMs = 1_000;

export interface ConnectionPatience {
  readonly connectionsMax: number;
  /** How long a client may leave an answer unread. */
  readonly answerUnreadMaxMs: number;
}

/** `now` in milliseconds. */
export function createConnectionGroups(
  { connectionsMax, answerUnreadMaxMs }: ConnectionPatience,
  now: () => number = () => performance.now(),
): ConnectionGroups {
  const bySocket = new Map<Socket, Connection>();
  // Each is in one of the first three; the slow ones are busy.
  const [unused, idle, busy, slow] = [0, 1, 2, 3].map(() => new Set<Connection>()) as FourSets;

  const leave = (connection: Connection) => {
    for (const group of [unused, idle, busy, slow]) group.delete(connection);
  };
  const forget = (connection: Connection) => {
    bySocket.delete(connection.socket);
    leave(connection);
  };
  const cut = (connection: Connection) => {
    forget(connection);
    connection.socket.destroy();
  };
  const makeRoom = (): boolean => {
    const [[oldest], [kept]] = [unused, idle];
    const isOld = oldest !== undefined && now() - oldest.sinceMs > graceMs;
    const missedLeast = isOld ? oldest : (firstSlow(slow, now()) ?? kept);
    if (missedLeast !== undefined) cut(missedLeast);
    return missedLeast !== undefined;
  };
  const move = (connection: Connection, group: Set<Connection>) => {
    // What was closed meanwhile does not come back.
    if (!bySocket.has(connection.socket)) return;
    leave(connection);
    connection.sinceMs = now();
    group.add(connection);
  };

  return {
    open(socket) {
      const isExcess = bySocket.size >= connectionsMax && !makeRoom();
      const connection: Connection = {
        ...{ socket, isExcess, isClosing: false, sinceMs: now(), unreadSinceMs: undefined },
        unanswered: new Set(),
      };
      bySocket.set(socket, connection);
      unused.add(connection);
      socket.once('close', () => {
        forget(connection);
      });
    },
    find: (socket) => bySocket.get(socket),
    nowBusy: (connection) => {
      move(connection, busy);
    },
    nowIdle: (connection) => {
      move(connection, idle);
    },
    allBusy: () => busy,
    sweep() {
      for (const connection of busy) {
        const { socket, unreadSinceMs = now() } = connection;
        connection.unreadSinceMs = socket.writableLength > 0 ? unreadSinceMs : undefined;
        if (now() - unreadSinceMs > answerUnreadMaxMs) cut(connection);
        else if (isSlow(connection, now())) slow.add(connection);
      }
    },
    cutIdle() {
      for (const connection of [...unused, ...idle]) cut(connection);
    },
    cutAll() {
      for (const connection of bySocket.values()) cut(connection);
    },
  };
}

/** They are noted once a second: the first that still is. */
function firstSlow(slow: Group, nowMs: number): Connection | undefined {
  for (const connection of slow) {
    if (isSlow(connection, nowMs)) return connection;
    slow.delete(connection);
  }
  return undefined;
}

type Group = Set<Connection>;
type FourSets = [Group, Group, Group, Group];

/** Its client takes its time: to send a request, or to read an answer. */
function isSlow({ unanswered, sinceMs, unreadSinceMs }: Connection, nowMs: number): boolean {
  if (nowMs - (unreadSinceMs ?? nowMs) > graceMs) return true;
  return nowMs - sinceMs > graceMs && [...unanswered].some(({ req }) => !req.complete);
}
