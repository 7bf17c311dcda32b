// What befalls instances and stores as a whole: crashes, frozen processes, clocks that jump, stores that
// are away, lose data or are replaced.

import type { StoreName } from './network.ts';
import type { Random } from './random.ts';
import type { Process } from './virtual-time.ts';
import type { World } from './world.ts';

const kinds = [
  'crash',
  'freeze',
  'leave',
  'clock',
  'outage',
  'redis lost',
  'redis key lost',
  'redis fail-over',
  'etcd replaced',
  'lease lost',
  'leaders moved',
] as const;
type Kind = (typeof kinds)[number];

export interface TroubleProfile {
  /** About how long from one to the next. */
  readonly everyMs: number;
  readonly weights: Readonly<Record<Kind, number>>;
}

/** What befalls whom, when; and the counts of it for the summary. */
export class Troubles {
  readonly counts = new Map<string, number>();
  readonly #world: World;
  readonly #profile: TroubleProfile;
  readonly #awayUntilMs = new Map<StoreName, number>();
  #isOver = false;

  constructor(world: World, profile: TroubleProfile) {
    this.#world = world;
    this.#profile = profile;
  }

  /** Something every now and then, until the end. */
  begin(): void {
    const { everyMs, weights } = this.#profile;
    const { time, random } = this.#world;
    const enabled = kinds.filter((kind) => weights[kind] > 0);
    if (enabled.length === 0) return;
    time.after(random.between(0, 2 * everyMs), () => {
      if (this.#isOver) return;
      const kind = random.pick(enabled);
      if (random.chance(weights[kind])) {
        this.#count(kind);
        this.#happen(kind);
      }
      this.begin();
    });
  }

  end(): void {
    this.#isOver = true;
    this.#awayUntilMs.clear();
  }

  isAway(store: StoreName): boolean {
    return this.#world.time.nowMs < (this.#awayUntilMs.get(store) ?? 0);
  }

  /** The process crashes or freezes here; `where` is for the summary. */
  strike(process: Process, where: string): void {
    const isCrash = this.#world.random.chance(0.6);
    this.#count(`${isCrash ? 'crash' : 'freeze'} ${where}`);
    if (isCrash) this.#crash(process);
    else this.#freeze(process);
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  #happen(kind: Kind): void {
    const { redis, etcd, kafka, random } = this.#world;
    switch (kind) {
      case 'crash':
      case 'freeze':
      case 'leave':
        this.#befall(kind);
        break;
      case 'clock':
        this.#jump();
        break;
      case 'outage':
        this.#outage();
        break;
      case 'redis lost':
        if (random.chance(0.3)) redis.flush();
        else redis.restart(random.chance(0.5) ? Infinity : lostWrites(random));
        break;
      case 'redis key lost':
        redis.loseKey();
        break;
      case 'redis fail-over':
        this.#failOver();
        break;
      case 'etcd replaced':
        etcd.replace();
        break;
      case 'lease lost':
        etcd.revokeAnyLease();
        break;
      case 'leaders moved':
        kafka.moveLeaders();
        break;
    }
  }

  #anyProcess(): Process | undefined {
    const { purchases, sinks, random } = this.#world;
    const running = [...purchases, ...sinks].filter(({ process }) => process.state === 'running');
    return running.length === 0 ? undefined : random.pick(running).process;
  }

  #befall(kind: 'crash' | 'freeze' | 'leave'): void {
    const process = this.#anyProcess();
    if (process === undefined) return;
    if (kind === 'crash') this.#crash(process);
    else if (kind === 'freeze') this.#freeze(process);
    else this.#leave(process);
  }

  /** A new one in its place: after the TTL or before, on the same folder or in a new place. */
  #replace(process: Process): void {
    const { time, random, purchases } = this.#world;
    const purchase = purchases.find((instance) => instance.process === process);
    const directory = random.chance(0.6) ? purchase?.directory : undefined;
    const isSoon = random.chance(0.7);
    time.after(isSoon ? random.between(50, 2_000) : random.between(2_000, 15_000), () => {
      if (purchase) this.#world.startPurchase(directory);
      else this.#world.startPersist();
    });
  }

  #crash(process: Process): void {
    this.#world.kill(process);
    this.#replace(process);
  }

  #freeze(process: Process): void {
    const { time, random } = this.#world;
    const forMs = random.chance(0.5) ? random.between(50, 3_000) : random.between(3_000, 25_000);
    time.note(`${process.name} is frozen for ${forMs.toFixed(0)} ms`);
    time.freeze(process);
    // Its container may be taken for dead and started again beside it.
    if (random.chance(0.15)) this.#replace(process);
    time.after(forMs, () => {
      time.note(`${process.name} thaws`);
      time.thaw(process, random.chance(0.5));
    });
  }

  #leave(process: Process): void {
    const { time, purchases } = this.#world;
    const purchase = purchases.find((instance) => instance.process === process);
    if (purchase === undefined) return;
    time.note(`${process.name} is told to leave`);
    const stop = () => {
      void purchase.stop().then(() => {
        time.after(0, () => {
          this.#world.kill(process);
        });
      });
    };
    time.after(0, stop, process, 'answer');
    this.#replace(process);
  }

  #jump(): void {
    const { time, random, redis } = this.#world;
    const byMs = random.between(-60_000, 60_000);
    const process = this.#anyProcess();
    if (process && random.chance(0.5)) process.wallOffsetMs += byMs;
    else redis.primary().clockOffsetMs += byMs;
    time.note(`a clock jumps by ${byMs.toFixed(0)} ms`);
  }

  #outage(): void {
    const { time, random } = this.#world;
    const store = random.pick(['etcd', 'redis', 'kafka', 'mysql'] as const);
    const forMs = random.between(100, 12_000);
    time.note(`${store} is away for ${forMs.toFixed(0)} ms`);
    this.#awayUntilMs.set(store, time.nowMs + forMs);
  }

  #failOver(): void {
    const { time, random, redis, purchases, sinks } = this.#world;
    redis.failOver(random.pick([0, lostWrites(random)]), 'refuses');
    for (const { process } of [...purchases, ...sinks]) {
      time.after(random.between(0, 20_000), () => {
        redis.follow(process.name);
      });
    }
  }
}

function lostWrites(random: Random): number {
  return random.pick([1, 1, 2, 3, 5, 8, 20]);
}
