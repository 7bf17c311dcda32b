// Everybody presses within one second of the opening. Who was too early, or one too many in that
// second, presses again with the same key until told.

import { sleep } from 'k6';
import exec from 'k6/execution';
import http from 'k6/http';
import { gracefulStop, optionsOf } from './options.ts';
import { type Answer, askUntilTold, politePause } from './purchase.ts';
import { buyerAt, productAt, run } from './run.ts';

export { handleSummary } from './summary.ts';

const { virtualUsers, seconds } = run.load;

export const options = optionsOf({
  crowd: {
    executor: 'per-vu-iterations',
    vus: virtualUsers,
    iterations: 1,
    maxDuration: `${seconds}s`,
    gracefulStop,
  },
});

interface Opening {
  /** Epoch ms by this machine's clock. */
  readonly opensAtMs: number;
}

/** The crowd comes together shortly before; some press up to so much too early. */
const gatheredMs = 2_000;
const earlyMs = 300;

/** Waits for the last seconds before the opening; the sale's clock counts, not this machine's. */
export function setup(): Opening {
  const response = http.get(`${run.url}/api/products/${productAt(0)}`);
  const { opensAt, now } = response.json() as { opensAt: string; now: string };
  const opensAtMs = Date.parse(opensAt) + Date.now() - Date.parse(now);
  const waitMs = opensAtMs - gatheredMs - Date.now();
  if (waitMs < 0) exec.test.abort('the sale opens before everybody is here');
  sleep(waitMs / 1_000);
  return { opensAtMs };
}

export default function press({ opensAtMs }: Opening): void {
  const pressAtMs = opensAtMs - earlyMs + Math.random() * 1_000;
  sleep(Math.max(0, pressAtMs - Date.now()) / 1_000);
  const index = exec.scenario.iterationInTest;
  const pauseSeconds = (answer: Answer) =>
    answer.outcome === 'not_open' ? untilSeconds(opensAtMs) : politePause(answer);
  const purchase = { buyer: buyerAt(index), productId: productAt(index), key: 'the-only-order' };
  askUntilTold(purchase, { pauseSeconds });
}

/** As the page: at the opening, and not all in the same millisecond. */
function untilSeconds(opensAtMs: number): number {
  return Math.max(0, opensAtMs - Date.now()) / 1_000 + Math.random() / 5;
}
