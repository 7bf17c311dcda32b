// The end of a run, for `npm run load`: the whole of k6's summary as JSON.

import type { Summary } from '../run-file.ts';
import { run } from './run.ts';

export function handleSummary(summary: Summary): Record<string, string> {
  return { [run.summaryFile]: JSON.stringify(summary) };
}
