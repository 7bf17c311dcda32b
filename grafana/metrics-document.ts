// Writes metrics.md: `npx node grafana/metrics-document.ts`. A test says when it is out of date.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closedLabels } from './closed-labels.ts';
import { listMetrics, type Metric } from './metric-list.ts';
import { readUses } from './metric-uses.ts';

export const documentFile = join(import.meta.dirname, 'metrics.md');

const intro = `# Metrics

Made from the code by \`npx node grafana/metrics-document.ts\`; a test compares it. Every function serves
its metrics at \`GET /metrics\` on port 9464. Every series has the label \`function\`, and by the scrape
\`job="seckill"\` and \`instance\` (the pod's name). Values of labels are on closed lists
(\`closed-labels.ts\`): no user, no order, no product id, no free text.

Beside these there are Node's and the process' own, by prom-client; those that are used:
\`process_cpu_seconds_total\` (CPU; the alert SeckillCpu), \`process_resident_memory_bytes\`,
\`nodejs_heap_size_used_bytes\` (memory), \`nodejs_eventloop_lag_p99_seconds\` (event-loop lag) and
\`nodejs_gc_duration_seconds\` (time for garbage).

| metric | type | labels | of | meaning | who reads it |
|---|---|---|---|---|---|
`;

/** The whole text. */
export function metricsDocument(): string {
  const uses = readUses();
  const rows = listMetrics().map((metric) => row(metric, uses[metric.name] ?? ''));
  return `${intro}${rows.join('\n')}\n`;
}

function row({ name, type, labels, functions, help }: Metric, readers: string): string {
  const shown = labels
    .filter((label) => label !== 'le')
    .map((label) => `\`${label}\`: ${(closedLabels[name]?.[label] ?? []).join(', ')}`)
    .join('; ');
  const of = functions.length === 4 ? 'all' : functions.join(', ');
  return `| \`${name}\` | ${type} | ${shown} | ${of} | ${help} | ${readers} |`;
}

if (process.argv[1] === import.meta.filename) writeFileSync(documentFile, metricsDocument());
