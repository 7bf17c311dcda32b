// A crowd of hostile clients on loopback: so many of each kind at any time, each replaced when it
// is cut. Bounded in connections and in how fast they come; what they saw is counted.

import { connect, type Socket } from 'node:net';
import { type Behaviour, type BehaviourName, behaviours, passing, staying } from './behaviours.ts';

export interface CrowdSize {
  /** Connections that only stay: a tenth of them silent, the others idle after one request. */
  readonly idle: number;
  /** Of each other kind that stays. */
  readonly staying: number;
  /** Of each kind that is answered at once. */
  readonly passingPerSecond: number;
}

export interface Seen {
  opened: number;
  /** By the server, or never made. */
  closed: number;
  failed: number;
  /** By status; a connection that is closed without an answer has none. */
  readonly answers: Record<string, number>;
}

export interface Crowd {
  /** Resolves when as many have come as are to stay. */
  readonly gathered: Promise<void>;
  readonly seen: () => Readonly<Record<string, Readonly<Seen>>>;
  /** How many are connected now. */
  readonly connected: () => number;
  readonly leave: () => void;
}

const tickMs = 50;
/** And up to ten seconds more, so that they do not all come again together. */
const deafMs = 10_000;
/** Of those that stay: gently enough for the crowd not to choke itself. */
const newPerTickMax = { gathering: 100, later: 20 };
/** Of one kind: one that is cut at once must not keep the others from coming. */
const newPerKindMax = { gathering: 40, later: 5 };

export function gather(port: number, size: CrowdSize): Crowd {
  const seen = new Map<BehaviourName, Seen>();
  const here = new Map<BehaviourName, Set<Socket>>();
  for (const name of [...staying, ...passing]) {
    seen.set(name, { opened: 0, closed: 0, failed: 0, answers: {} });
    here.set(name, new Set());
  }
  const wanted = (name: BehaviourName) => {
    const silent = Math.ceil(size.idle / 10);
    if (name === 'silent') return silent;
    return name === 'idle' ? size.idle - silent : size.staying;
  };
  const missing = (name: BehaviourName) => wanted(name) - (here.get(name)?.size ?? 0);
  const come = (name: BehaviourName) => {
    const [sockets, counts] = [here.get(name), seen.get(name)];
    if (sockets !== undefined && counts !== undefined)
      behave(port, behaviours[name], sockets, counts);
  };

  let ticks = 0;
  let due = 0;
  let hasGathered = false;
  let gathered = (): void => undefined;
  const timer = setInterval(() => {
    ticks += 1;
    const phase = hasGathered ? 'later' : 'gathering';
    let left = newPerTickMax[phase];
    // Who begins changes, so that each kind has its turn.
    for (const place of staying.keys()) {
      const name = staying[(place + ticks) % staying.length] ?? 'idle';
      const count = Math.min(left, newPerKindMax[phase], Math.max(0, missing(name)));
      for (let one = 0; one < count; one += 1) come(name);
      left -= count;
    }
    hasGathered ||= staying.every((name) => (seen.get(name)?.opened ?? 0) >= wanted(name));
    if (hasGathered) gathered();
    due += (size.passingPerSecond * tickMs) / 1_000;
    for (; due >= 1; due -= 1) for (const name of passing) come(name);
    drip(here, ticks);
  }, tickMs);

  return {
    gathered: new Promise((resolve) => {
      gathered = resolve;
    }),
    seen: () => Object.fromEntries(seen),
    connected: () => [...here.values()].reduce((sum, sockets) => sum + sockets.size, 0),
    leave() {
      clearInterval(timer);
      for (const socket of [...here.values()].flatMap((sockets) => [...sockets])) socket.destroy();
    },
  };
}

function behave(port: number, behaviour: Behaviour, here: Set<Socket>, seen: Seen): void {
  const { opening, isDeaf = false, isHalfClosed = false } = behaviour;
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  here.add(socket);
  seen.opened += 1;
  socket.on('connect', () => {
    if (opening.length > 0) socket.write(opening);
    if (isHalfClosed) socket.end();
    // Whoever does not read does not see either that it is cut: it leaves and comes again.
    if (isDeaf)
      socket.pause().setTimeout(deafMs + (seen.opened % 100) * 100, () => socket.destroy());
  });
  socket.on('data', (chunk) => {
    for (const [, status = ''] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)) {
      seen.answers[status] = (seen.answers[status] ?? 0) + 1;
    }
  });
  socket.on('error', () => {
    seen.failed += 1;
  });
  // It is told to go, and goes.
  socket.on('end', () => socket.destroy());
  socket.on('close', () => {
    seen.closed += 1;
    here.delete(socket);
  });
}

/** Each drips once a second, and not all of them in the same moment. */
function drip(here: ReadonlyMap<BehaviourName, ReadonlySet<Socket>>, ticks: number): void {
  const ticksPerSecond = 1_000 / tickMs;
  for (const [name, sockets] of here) {
    const { drip: drop }: Behaviour = behaviours[name];
    if (drop === undefined) continue;
    let place = ticks;
    for (const socket of sockets) {
      place += 1;
      if (place % ticksPerSecond === 0 && socket.writable) socket.write(drop);
    }
  }
}
