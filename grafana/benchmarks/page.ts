// BENCHMARKS.md, made of the figures that are there: what was not measured has no section.

import type { Row } from '#knative/local/bench/row.ts';
import { table } from '#knative/local/soak/report.ts';
import type { Report } from '../k6/perform.ts';
import { type Figures, type Machine, type Measured, provenance } from './figures.ts';
import { limitsSection } from './limits.ts';
import { numberOf, numbersOf } from './numbers.ts';
import { othersSection } from './others-section.ts';
import { soakSection } from './soak-section.ts';

export function benchmarksPage(figures: Figures): string {
  const sections = [
    intro(figures),
    ...benchSections(figures.bench),
    ...loadSection(figures),
    ...growthSection(figures.growth),
    ...limitsSection(figures),
    ...soakSection(figures.soak),
    ...othersSection(figures.bench),
  ];
  return `${sections.join('\n\n')}\n`;
}

function intro(figures: Figures): string {
  const machines = new Set(
    Object.values(figures).map(({ machine }: Measured<unknown>) => machineLine(machine)),
  );
  return `# Benchmarks

Made from [figures](benchmarks/figures) by \`npm run benchmarks\`; a test compares. To measure
all of it again: \`npm run benchmarks -- --measure all\` (about 25 minutes), \`-- --measure soak\`
(35 more), on a machine that does nothing else. Load, stores and functions share the machine's
cores, so only **ratios** can be compared between machines: \`do-nothing\` is a Hono endpoint
that parses the same body, verifies the same token and answers, measured in the same minute.

**Durable** is what was answered 202, which is said after Kafka's in-sync replicas have the order:
on one node one broker, so it outlives a crash of every process; on three nodes two of three.
**Refused** costs no more than a look, and is never counted as sold. After each line the sale was
verified over all stores; a line that was not in order is left out.

${[...machines].map((line) => `Machine: ${line}.`).join('\n')}`;
}

function machineLine({ cpus, model, memoryGb, system, node }: Machine): string {
  return `${cpus} × ${model}, ${memoryGb} GB, ${system}, Node ${node}`;
}

type Names = readonly (readonly [name: string, meaning: string])[];

const durable: Names = [
  ['accept', 'one product, one instance of each function'],
  ['accept-with-sinks', 'the same while rows and boards are written on the same cores'],
  ['accept-purchase-only', 'orders in batches straight to `purchase`'],
  ['accept-2-instances', 'two of `purchase` contend for one product'],
  ['accept-3-instances', 'three of them'],
  ['accept-10-products', 'ten products in turn'],
  ['accept-100-products', 'a hundred'],
  ['accept-traced', 'with metrics scraped and one purchase in a hundred traced; of: without'],
  ['accept-1m-units', 'a sale of a million units; of: of ten thousand'],
];
const refused: Names = [
  ['sold-out', '410, from the edge’s memory'],
  ['rate-limited', '429, by the token buckets'],
];
const afterwards: Names = [
  ['persist', 'rows from a backlog; of: mysql2 inserting the same rows and nothing else'],
  ['backlog', 'rows and boards until nothing is left; ratio: seconds of draining / of the load'],
  ['board-delay', 'from the acceptance until the board shows it, at 1,000 orders/s'],
  ['row-delay', 'from the acceptance until another connection reads the row'],
];
const others: Names = [
  ['limit-exactness', 'what three edges admit together; of: capacity + rate × time'],
  ['lock-wait', 'for the lock of a product, three instances at half of what they can sell'],
  [
    'hostile-clients',
    'p50 and p99 of ordinary buyers among 10,000 hostile clients; of: without them',
  ],
  ...['ratelimit-edge', 'purchase', 'persist-order', 'update-rank'].map(
    (name) =>
      [`ready-${name}`, 'from the start of the process until ready; of: Hono alone'] as const,
  ),
];

function benchSections(measured: Figures['bench']): string[] {
  if (measured === undefined) return [];
  const rows = new Map(measured.figures.map((row) => [row.name, row]));
  const section = (title: string, names: Names) => {
    const found = names.flatMap(([name, meaning]) => {
      const row = rows.get(name);
      return row === undefined ? [] : [[`\`${name}\``, ...cellsOf(row), meaning]];
    });
    if (found.length === 0) return [];
    const head = ['', 'per second', 'reference', 'ratio', 'p50 ms', 'p99 ms', ''];
    return [`## ${title}\n\n${provenance(measured)}\n\n${table(head, found)}`];
  };
  return [
    ...section('Accepted and durable', durable),
    ...section('Refused', refused),
    ...section('After the acceptance', afterwards),
    ...section('Limits, locks, hostile clients, cold starts', others),
  ];
}

function cellsOf({ perSecond, reference, ratio, p50Ms, p99Ms }: Row): string[] {
  return [perSecond, reference, ratio, p50Ms, p99Ms].map(numberOf);
}

function loadSection(figures: Figures): string[] {
  const runs = [figures['load-one-node'], figures['load-three-nodes']];
  const found = runs.filter((run): run is Measured<Report> => run !== undefined);
  if (found.length === 0) return [];
  const rows = found.map(({ figures: { scenario, ok, figures: one } }) => [
    ...[scenario, numberOf(one.offeredPerSecond), numberOf(one.acceptedPerSecond)],
    ...[numberOf(one.rowsPerSecond), numberOf(one.limitedPerSecond)],
    ...[numberOf(one.soldOutPerSecond), numberOf(one.unserved)],
    ...[percent(one.limitedShare), percent(one.successShare)],
    ...[numbersOf(one.p50Ms, one.p99Ms), ok ? 'all' : '**not all**'],
  ]);
  const head = [
    ...['scenario', 'offered/s', 'accepted/s', 'durable rows/s', 'limited/s', 'sold out/s'],
    ...['5xx or no answer', 'limited', 'bought', 'p50, p99 ms', 'checks'],
  ];
  const failed = found.flatMap(({ figures: { scenario, checks } }) =>
    checks.filter(({ ok }) => !ok).map(({ name, found: was }) => `* ${scenario}: ${name}: ${was}`),
  );
  return [
    [
      '## The seed’s load tests',
      `k6 over the public HTTP, distinct users with valid tokens; afterwards \`verify\`, and what
each client was told is held against the rows, both ways ([k6](k6/README.md)). One node is offered
up to 3,000 requests/s of a product whose shipped limit is 1,000/s; three nodes, on this one
machine, 1,430/s.`,
      found.map(provenance).join('\\\n'),
      table(head, rows),
      ...(failed.length === 0 ? [] : [failed.join('\n')]),
    ].join('\n\n'),
  ];
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

const growths: Names = [
  ['connections', 'connections, each of which buys as fast as it can (closed loop)'],
  ['rate', 'purchases offered in a second (open loop), while rows and boards are written'],
  ['products', 'products on sale together, bought in turn'],
  ['stock', 'units on sale; straight to `purchase`, in batches'],
  ['instances', 'instances of `purchase` that contend for one product'],
];

function growthSection(measured: Figures['growth']): string[] {
  if (measured === undefined) return [];
  const tables = growths.flatMap(([of, meaning]) => {
    const prefix = `growth-${of}-`;
    const rows = measured.figures.filter(({ name }) => name.startsWith(prefix));
    if (rows.length === 0) return [];
    const head = [of, 'per second', 'do-nothing', 'ratio', 'p50 ms', 'p99 ms', 'CPU ms for 1,000'];
    const cells = rows.map((row) => [
      numberOf(Number(row.name.slice(prefix.length))),
      ...cellsOf(row),
      numberOf(row.cpuMsPerThousand?.all),
    ]);
    return [`**${of}**: ${meaning}\n\n${table(head, cells)}`];
  });
  const title = '## How the cost of an acceptance grows';
  const about = 'CPU: of all processes together, the stores and the client among them.';
  return [[title, provenance(measured), about, ...tables].join('\n\n')];
}
