import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isUnderWay } from './purchase-flow.ts';
import { createWorld, type Fault, openPage, type TestPage, type World } from './purchase-world.ts';

const longMs = 5 * 60_000;

/** A world with one page whose buyer pressed once, run until nothing more happens by itself. */
async function pressed(faults: readonly Fault[], quantity = 1) {
  const world = createWorld(faults);
  const page = openPage(world);
  page.flow.press(quantity);
  await world.timers.advance(longMs);
  return { world, page };
}

const names = (page: TestPage) => page.states.map(({ name }) => name);
const keysOf = (world: World) => new Set(world.requests.map(({ key }) => key));

describe('a purchase', () => {
  test('is accepted and its key forgotten', async () => {
    const { world, page } = await pressed([], 2);
    expect(names(page)).toEqual(['sending', 'accepted']);
    expect(page.flow.state).toMatchObject({ name: 'accepted', quantity: 2 });
    expect(Object.keys(world.storage)).toEqual([]);
    expect(world.timers.pending).toBe(0);
  });

  test('is stored before it is sent', async () => {
    const world = createWorld(['lost_before']);
    const page = openPage(world);
    page.flow.press(3);
    const [stored] = Object.values(world.storage) as string[];
    expect(world.requests).toEqual([]);
    expect(JSON.parse(stored ?? '')).toMatchObject({
      productId: 'teapot',
      userId: 'alice',
      quantity: 3,
      stage: 'asking',
    });
    await world.timers.advance(longMs);
  });

  test.each<Fault>(['lost_before', 'lost_after', 'late', 'unavailable', 'gateway'])(
    'is asked again with the same key after: %s',
    async (fault) => {
      const { world, page } = await pressed([fault, fault, fault]);
      expect(names(page)).toContain('unsure');
      expect(page.flow.state.name).toBe('accepted');
      expect(world.orders.size).toBe(1);
      expect(keysOf(world).size).toBe(1);
    },
  );

  test('waits longer each time, at least as long as it was told to', async () => {
    const world = createWorld(Array<Fault>(6).fill('unavailable'));
    const page = openPage(world);
    page.flow.press(1);
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 6; attempt += 1) {
      await world.timers.advance(0);
      const { state } = page.flow;
      if (state.name !== 'unsure') throw new Error(`${state.name} after ${attempt} attempts`);
      waits.push(state.retryAtMs - world.timers.nowMs());
      await world.timers.advance(waits.at(-1) ?? 0);
    }
    expect(waits[0]).toBeGreaterThanOrEqual(1_000);
    expect(waits).toEqual(waits.toSorted((a, b) => a - b));
    expect(Math.max(...waits)).toBeLessThanOrEqual(1_000 + 15_000);
  });

  test('pressed again and again is sent once', async () => {
    const world = createWorld(['lost_after']);
    const page = openPage(world);
    for (let press = 0; press < 20; press += 1) {
      page.flow.press(1);
      await world.timers.advance(100);
    }
    await world.timers.advance(longMs);
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(world.orders.size).toBe(1);
  });

  test('is bought once more only after the buyer has read the first answer', async () => {
    const { world, page } = await pressed([]);
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(world.orders.size).toBe(1);
    page.flow.dismiss();
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(world.orders.size).toBe(2);
  });

  test('pressed in two tabs is one purchase', async () => {
    const world = createWorld(['late', 'late']);
    const [one, other] = [openPage(world), openPage(world)];
    one.flow.press(2);
    await world.timers.advance(1_000);
    other.flow.press(1);
    await world.timers.advance(longMs);
    expect(other.flow.state).toMatchObject({ name: 'accepted', quantity: 2 });
    expect(one.flow.state.name).toBe('accepted');
    expect(world.orders.size).toBe(1);
  });

  test('asks at once when the network is back', async () => {
    const world = createWorld(Array<Fault>(12).fill('lost_before'));
    const page = openPage(world);
    page.flow.press(1);
    await world.timers.advance(20_000);
    expect(page.flow.state.name).toBe('unsure');
    world.faults.length = 0;
    page.flow.hurry();
    await world.timers.advance(0);
    expect(page.flow.state.name).toBe('accepted');
    await world.timers.advance(longMs);
    expect(world.requests).toHaveLength(1);
  });
});

describe('a refusal', () => {
  const soldOut = { status: 410, body: { outcome: 'sold_out', left: 0 } };

  test('keeps the key for the same wish and frees it for another', async () => {
    const world = createWorld();
    world.refusal = soldOut;
    const page = openPage(world);
    for (const quantity of [2, 2, 1]) {
      page.flow.press(quantity);
      await world.timers.advance(longMs);
      expect(page.flow.state).toMatchObject({ name: 'refused', outcome: 'sold_out', left: 0 });
    }
    const [first, second, third] = world.requests.map(({ key }) => key);
    expect(second).toBe(first);
    expect(third).not.toBe(first);
  });

  test('is not asked again by a new page', async () => {
    const world = createWorld();
    world.refusal = soldOut;
    openPage(world).flow.press(1);
    await world.timers.advance(longMs);
    const page = openPage(world);
    page.flow.resume();
    await world.timers.advance(longMs);
    expect(page.flow.state.name).toBe('idle');
    expect(world.requests).toHaveLength(1);
  });

  test('by words that are not ours decides nothing', async () => {
    const world = createWorld();
    world.refusal = { status: 404, body: { error: 'no route' } };
    const page = openPage(world);
    page.flow.press(1);
    await world.timers.advance(2_000);
    expect(page.flow.state.name).toBe('unsure');
    world.refusal = undefined;
    await world.timers.advance(longMs);
    expect(page.flow.state.name).toBe('accepted');
    expect(keysOf(world).size).toBe(1);
  });

  test('key_reused: the next press has a key of its own', async () => {
    const world = createWorld();
    const page = openPage(world);
    world.refusal = { status: 422, body: { outcome: 'key_reused' } };
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(page.flow.state).toMatchObject({ name: 'refused', outcome: 'key_reused' });
    world.refusal = undefined;
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(keysOf(world).size).toBe(2);
    expect(page.flow.state.name).toBe('accepted');
  });

  test('a moment before the opening is sent again at the opening', async () => {
    const world = createWorld();
    const page = openPage(world);
    const opensAtMs = 1_763_800_000_000 + world.timers.nowMs() + 1_500;
    const opensAt = new Date(opensAtMs).toISOString();
    world.refusal = { status: 409, body: { outcome: 'not_open', opensAt } };
    page.flow.press(1);
    await world.timers.advance(1_400);
    expect(page.flow.state.name).toBe('early');
    expect(world.requests).toHaveLength(1);
    world.refusal = undefined;
    await world.timers.advance(600);
    expect(page.flow.state.name).toBe('accepted');
    expect(keysOf(world).size).toBe(1);
  });

  test('long before the opening is told', async () => {
    const world = createWorld();
    const page = openPage(world);
    world.refusal = { status: 409, body: { outcome: 'not_open', opensAt: '2100-01-01T00:00:00Z' } };
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(page.flow.state).toMatchObject({ name: 'refused', opensAtMs: Date.UTC(2100, 0) });
    expect(world.requests).toHaveLength(1);
  });
});

describe('too many requests', () => {
  test('is tried again once by itself, when it may', async () => {
    const world = createWorld(['busy']);
    const page = openPage(world);
    page.flow.press(1);
    await world.timers.advance(1_900);
    expect(page.flow.state).toMatchObject({ name: 'limited', isAutomatic: true });
    expect(world.requests).toHaveLength(1);
    await world.timers.advance(1_000);
    expect(page.flow.state.name).toBe('accepted');
  });

  test('twice: then the buyer decides, and the key stays', async () => {
    const { world, page } = await pressed(['busy', 'busy']);
    expect(page.flow.state).toMatchObject({ name: 'limited', isAutomatic: false });
    expect(isUnderWay(page.flow.state)).toBe(false);
    expect(world.requests).toHaveLength(2);
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(page.flow.state.name).toBe('accepted');
    expect(keysOf(world).size).toBe(1);
  });

  test('is no answer to a purchase whose first answer was lost', async () => {
    const { world, page } = await pressed(['lost_after', 'busy', 'busy', 'busy']);
    expect(names(page)).not.toContain('limited');
    expect(page.flow.state.name).toBe('accepted');
    expect(world.orders.size).toBe(1);
  });
});

describe('a buyer who stops waiting', () => {
  async function stopped(faults: readonly Fault[]) {
    const world = createWorld(faults);
    const page = openPage(world);
    page.flow.press(2);
    await world.timers.advance(3_000);
    page.flow.stop();
    await world.timers.advance(longMs);
    expect(page.flow.state.name).toBe('stopped');
    return { world, page };
  }

  test('asks the same again, whatever quantity is chosen by then', async () => {
    const { world, page } = await stopped(['lost_after', ...Array<Fault>(9).fill('lost_before')]);
    world.faults.length = 0;
    page.flow.press(1);
    await world.timers.advance(longMs);
    expect(page.flow.state).toMatchObject({ name: 'accepted', quantity: 2 });
    expect(world.orders.size).toBe(1);
  });

  test('finds it stopped on a new page, too', async () => {
    const { world } = await stopped(Array<Fault>(9).fill('unavailable'));
    const page = openPage(world);
    page.flow.resume();
    expect(page.flow.state.name).toBe('stopped');
    page.flow.dismiss();
    expect(page.flow.state.name).toBe('idle');
    expect(Object.keys(world.storage)).toEqual([]);
  });
});

describe('a page that dies', () => {
  test('does not buy on its own what is long past', async () => {
    const world = createWorld(Array<Fault>(99).fill('unavailable'));
    const first = openPage(world);
    first.flow.press(1);
    await world.timers.advance(1_000);
    first.die();
    await world.timers.advance(11 * 60_000);
    world.faults.length = 0;
    const second = openPage(world);
    second.flow.resume();
    await world.timers.advance(longMs);
    expect(second.flow.state.name).toBe('stopped');
    expect(world.orders.size).toBe(0);
  });

  test('signed out: the purchase goes on after the next sign-in', async () => {
    const world = createWorld();
    world.refusal = { status: 401, body: { outcome: 'unauthenticated' } };
    const first = openPage(world);
    first.flow.press(1);
    await world.timers.advance(longMs);
    expect(first.flow.state.name).toBe('signed_out');
    world.refusal = undefined;
    const second = openPage(world);
    second.flow.resume();
    await world.timers.advance(longMs);
    expect(second.flow.state.name).toBe('accepted');
    expect(keysOf(world).size).toBe(1);
  });

  const patterns: readonly (readonly Fault[])[] = [
    [],
    ['lost_before'],
    ['lost_after'],
    ['late', 'unavailable'],
    ['unavailable', 'lost_after', 'gateway'],
    ['busy'],
    ['busy', 'lost_after', 'busy'],
  ];

  test.each(patterns.map((faults) => ({ faults })))(
    'between any two steps buys once: $faults',
    async ({ faults }) => {
      for (let diesAt = 1; ; diesAt += 1) {
        const world = createWorld(faults);
        const first = openPage(world, diesAt);
        first.flow.press(1);
        const wasStored = Object.keys(world.storage).length > 0 || world.orders.size > 0;
        await world.timers.advance(longMs);
        const second = openPage(world);
        second.flow.resume();
        await world.timers.advance(longMs);
        const told = [...first.states, ...second.states].filter(({ name }) => name === 'accepted');
        const where = `died at step ${diesAt}`;
        // A wish that was stored comes true, once; one that was not stored was never sent.
        expect(world.orders.size, where).toBe(wasStored ? 1 : 0);
        expect(told.length > 0, where).toBe(wasStored);
        expect(keysOf(world).size, where).toBe(wasStored ? 1 : 0);
        if (!first.isDead) break;
      }
    },
  );

  test('again and again, with an impatient buyer and any network, buys once', async () => {
    const fault = fc.constantFrom<Fault>(
      'none',
      'lost_before',
      'lost_after',
      'late',
      'busy',
      'unavailable',
      'gateway',
    );
    const life = fc.record({
      diesAt: fc.integer({ min: 1, max: 12 }),
      waits: fc.array(fc.integer({ min: 0, max: 4_000 }), { maxLength: 5 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fault, { maxLength: 8 }),
        fc.array(life, { maxLength: 4 }),
        buyOnce,
      ),
      { numRuns: 60 },
    );
  });
});

/** Pages come and go; on each the buyer presses as long as they were not told it is theirs. */
async function buyOnce(
  faults: readonly Fault[],
  lives: readonly { readonly diesAt: number; readonly waits: readonly number[] }[],
): Promise<void> {
  const world = createWorld(faults);
  let isTold = false;
  const live = async (page: TestPage, waits: readonly number[]) => {
    page.flow.resume();
    for (const waitMs of waits) {
      if (!isTold) page.flow.press(1);
      await world.timers.advance(waitMs);
      isTold ||= page.states.some(({ name }) => name === 'accepted');
    }
  };
  for (const { diesAt, waits } of lives) {
    const page = openPage(world, diesAt);
    await live(page, waits);
    page.die();
  }
  world.faults.length = 0;
  const last = openPage(world);
  await live(last, [60_000, 60_000]);
  expect(isTold).toBe(true);
  expect(world.orders.size).toBe(1);
}
