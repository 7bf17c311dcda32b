// Numbers that are random and the same for the same seed.

export interface Random {
  /** At least 0, below 1. */
  readonly next: () => number;
  readonly chance: (probability: number) => boolean;
  /** At least `from`, below `to`. */
  readonly between: (from: number, to: number) => number;
  /** A whole number from 0 on, below `count`. */
  readonly below: (count: number) => number;
  /** One of them; there must be one. */
  readonly pick: <T>(values: readonly T[]) => T;
  readonly hex: (digits: number) => string;
}

/** `sfc32`, seeded by a text. */
export function createRandom(seed: string): Random {
  const next = sfc32(seed);
  const below = (count: number) => Math.floor(next() * count);
  return {
    next,
    below,
    chance: (probability) => next() < probability,
    between: (from, to) => from + next() * (to - from),
    pick<T>(values: readonly T[]): T {
      if (values.length === 0) throw new RangeError('there is nothing to pick from');
      return values[below(values.length)] as T;
    },
    hex: (digits) => Array.from({ length: digits }, () => below(16).toString(16)).join(''),
  };
}

function sfc32(seed: string): () => number {
  let hash = 2_166_136_261;
  const word = () => {
    for (const character of `${seed}.`) {
      hash = Math.imul(hash ^ character.charCodeAt(0), 16_777_619);
    }
    return hash;
  };
  let [a, b, c, counter] = [word(), word(), word(), 1];
  const step = () => {
    const result = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + result;
    return (result >>> 0) / 4_294_967_296;
  };
  for (let round = 0; round < 12; round += 1) step();
  return step;
}
