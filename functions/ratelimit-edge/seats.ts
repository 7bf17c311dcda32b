// Places for what lasts: so many in all, and so many for one user.

export interface Seat {
  /** Again and again changes nothing. */
  free(): void;
}

export interface SeatsOptions {
  readonly seatsMax: number;
  readonly perUserMax: number;
  /** No seat is kept longer. */
  readonly keptMs: number;
  readonly onChange: (taken: number) => void;
  /** Monotonic milliseconds. */
  readonly now: () => number;
}

export interface Seats {
  /** `full`, or how long until the oldest of this user's own is free at the latest. */
  take(userId: string): Seat | 'full' | { readonly retryAfterMs: number };
}

export function createSeats(options: SeatsOptions): Seats {
  /** When each was taken, the oldest first, by user. */
  const takenBy = new Map<string, Set<{ readonly atMs: number }>>();
  let taken = 0;
  const count = (change: 1 | -1) => {
    taken += change;
    options.onChange(taken);
  };
  return {
    take(userId) {
      if (taken >= options.seatsMax) return 'full';
      const own = takenBy.get(userId) ?? new Set();
      if (own.size >= options.perUserMax) {
        const [oldest] = own;
        return { retryAfterMs: (oldest?.atMs ?? 0) + options.keptMs - options.now() };
      }
      const seat = { atMs: options.now() };
      own.add(seat);
      takenBy.set(userId, own);
      count(1);
      return {
        free() {
          if (!own.delete(seat)) return;
          if (own.size === 0) takenBy.delete(userId);
          count(-1);
        },
      };
    },
  };
}
