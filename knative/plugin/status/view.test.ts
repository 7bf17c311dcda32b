import { expect, test } from 'vitest';
import { widthOf } from '../table.ts';
import type { Look } from './look.ts';
import { aLook, anInstance, aSale, aStanding } from './looks-fixture.ts';
import { createAlarmLines, plainLine } from './plain.ts';
import { createReporter } from './reporter.ts';
import { openScreen, paint } from './screen.ts';
import { type ViewOptions, viewOf } from './view.ts';

const edge = (accepted: number, limited: number, name = 'edge-1', node = 'n1') =>
  anInstance({
    ...{ name, node },
    counts: {
      'seckill_requests_total{outcome="accepted"}': accepted,
      'seckill_rate_limited_total{tier="product"}': limited,
      process_cpu_seconds_total: accepted / 1_000,
      process_resident_memory_bytes: 104_857_600,
    },
  });
const limited = (count: number) => {
  const labels = { outcome: 'rate_limited', result: 'limited' };
  const series = [{ name: 'seckill_requests_total', labels, value: count }];
  return { ...anInstance({ name: 'edge-3', node: 'n1' }), series };
};

const source = { title: 'namespace seckill of shop', namespace: 'seckill' };

function reportOf(looks: readonly Look[], productId?: string) {
  const reporter = createReporter({ source, productId });
  const reports = looks.map((look) => reporter.report(look));
  const last = reports.at(-1);
  if (last === undefined) throw new Error('no look');
  return last;
}

const opensAt = '2026-12-01T12:01:10Z';
const lamp = {
  productId: 'lamp',
  state: 'scheduled',
  opensAt,
  stock: 5,
  left: 5,
  sold: 0,
} as const;
const sales = [aSale(lamp), aSale({ closesAt: '2026-12-01T12:10:02Z', pending: 2 })];
const going = reportOf([
  aLook(0, { instances: [edge(0, 0), limited(0)], standing: aStanding({ sales }) }),
  aLook(2, {
    instances: [edge(2_000, 862), limited(862), edge(24, 0, 'edge-2', 'n2')],
    wanted: { ...aLook(0).wanted, 'ratelimit-edge': 4 },
    standing: aStanding({ sales: [aSale(lamp), aSale({ ...sales[1], sold: 640 })] }, 2),
  }),
]);
const view: ViewOptions = { columns: 100, rows: 60, productId: undefined, pace: [1, 4, 8] };
const textOf = (report: typeof going, options = view) =>
  viewOf(report, options).map(({ text }) => text);

test('one screen says how it goes: alarms, sales, purchases, delays, instances, stores', () => {
  expect(textOf(going)).toEqual([
    '12:00:02Z, over 2 s   namespace seckill of shop',
    '',
    'ALARM  lamp opens in 68 s, and only 3 of 4 ratelimit-edge, 0 of 1 purchase is ready: `scale warm`',
    '',
    'SALE    STATE       LEFT      OF   SOLD   SOLD/S   PENDING   WHEN',
    'phone   open         400   1,000    640       20         2   closes in 10 m',
    'lamp    scheduled      5       5      0        0         0   opens in 1 m 8 s',
    '',
    'PURCHASES                  A SECOND   COUNTED',
    'accepted                      1,012     2,024   ▂▅█',
    'said before                       0         0',
    'refused                         431       862',
    '  rate_limited (product)        431       862',
    '503, ask again                    0         0',
    'rows in MySQL                     0         0',
    '',
    'DELAY           HALF IN   99 % IN   WAITING   DEAD LETTERS',
    'persist-order         -         -         0              0',
    'update-rank           -         -         0              0',
    '',
    'INSTANCES        READY     CPU    MEMORY   NODES',
    'ratelimit-edge     3/4   101 %   100 MiB   n1 ×2, n2',
    'purchase           0/1     0 %     0 MiB',
    'persist-order      0/1     0 %     0 MiB',
    'update-rank        0/1     0 %     0 MiB',
    '',
    'stores   Redis ok   MySQL ok   etcd ok   Kafka ok',
  ]);
});

test.each([1, 10, 20, 40, 60, 80, 120])('on %i columns no line is longer', (columns) => {
  for (const line of textOf(going, { ...view, columns })) {
    expect(widthOf(line), line).toBeLessThanOrEqual(columns);
  }
});

test('on a narrow terminal what is left stays and the rest leaves', () => {
  const lines = textOf(going, { ...view, columns: 40 });
  expect(lines.find((line) => line.startsWith('phone'))).toMatch(/open +400 +2$/);
  expect(lines.find((line) => line.startsWith('ratelimit'))).toMatch(/3\/4/);
  expect(lines.filter((line) => line.startsWith('ALARM'))).toHaveLength(1);
  expect(lines.filter((line) => line.startsWith('       '))).not.toHaveLength(0);
});

test('on a low one the alarms are what is seen', () => {
  const lines = textOf(going, { ...view, rows: 3 });
  expect(lines).toHaveLength(3);
  expect(lines[2]).toMatch(/^ALARM/);
});

test('before the second look there are no rates, and at zero instances it is asleep', () => {
  const once = reportOf([aLook(0, { instances: [edge(7, 0)] })]);
  expect(textOf(once).find((line) => line.startsWith('accepted'))).toMatch(/… +0 /);
  const nobody = { 'ratelimit-edge': 0, purchase: 0, 'persist-order': 0, 'update-rank': 0 };
  const asleep = reportOf([aLook(0, { wanted: nobody })], 'phone');
  expect(asleep).toMatchObject({ asleep: true, sales: null, stores: null });
  expect(textOf(asleep, { ...view, productId: 'phone' }).join('\n')).toMatch(
    /asleep: no instance runs.*\n.*sale show phone.*wakes ratelimit-edge and purchase/,
  );
});

test('where instances are wanted and none runs yet, it says so', () => {
  const wanted = { ...aLook(0).wanted, purchase: 3 };
  expect(textOf(reportOf([aLook(0, { wanted })])).join('\n')).toMatch(/^purchase +0\/3/m);
});

test('what was told before everybody went to sleep stays, with its age', () => {
  const report = reportOf([aLook(0, { standing: aStanding() }), aLook(50, {})]);
  expect(textOf(report).join('\n')).toContain('as it was 50 s ago: nobody tells now');
  expect(textOf(report).join('\n')).not.toContain('Redis ok');
});

test('what a store or a sale is called cannot control the terminal', () => {
  const nasty = '\x1b[2Jphone\r\n';
  const stores = { Redis: `\x1b]0;x\x07${nasty}`, MySQL: true, etcd: true, Kafka: true } as const;
  const report = reportOf([aLook(0, { standing: aStanding({ stores }), notes: [nasty] })]);
  const escape = new RegExp(String.raw`[\u0000-\u001f]`);
  expect(textOf(report).join('')).not.toMatch(escape);
  expect(plainLine(report).trimEnd()).not.toMatch(escape);
  expect(createAlarmLines()(report).trimEnd()).not.toMatch(escape);
});

test('line by line it says the same, and each alarm once when it begins and ends', () => {
  expect(plainLine(going)).toBe(
    '12:00:02Z  accepted 1,012/s  refused 431/s (rate_limited 431)  503 0/s  rows 0/s  ' +
      'phone 400 of 1,000 left, 2 pending  lamp 5 of 5 left  ready 3/4 0/1 0/1 0/1\n',
  );
  const lines = createAlarmLines();
  const alarms = (seconds: number) => [{ code: 'not_ready', text: `lamp opens in ${seconds} s` }];
  expect(lines({ ...going, alarms: alarms(68) })).toBe('12:00:02Z  ALARM  lamp opens in 68 s\n');
  expect(lines({ ...going, alarms: alarms(66) })).toBe('');
  expect(lines({ ...going, alarms: [] })).toBe('12:00:02Z  over   lamp opens in 66 s\n');
});

test('a screen is drawn in place, and the last view is left on the terminal', () => {
  let out = '';
  const screen = openScreen((text) => {
    out += text;
  }, true);
  screen.draw([{ text: 'one', tone: 'alarm' }, { text: 'two' }]);
  expect(out).toBe('\x1b[?1049h\x1b[?25l\x1b[H\x1b[1;31mone\x1b[0m\x1b[K\r\ntwo\x1b[K\x1b[J');
  out = '';
  screen.draw([{ text: 'three' }]);
  expect(out).toBe('\x1b[Hthree\x1b[K\x1b[J');
  out = '';
  screen.close();
  expect(out).toBe('\x1b[?25h\x1b[?1049lthree\n');
  expect(paint({ text: 'plain', tone: 'alarm' }, false)).toBe('plain');
});
