// A watch that is not read on a terminal: one line for each look, and a line whenever an alarm
// begins or ends.

import { printable } from '../table.ts';
import { showClock, showCount, showDelay, showRate } from './figures.ts';
import type { Status } from './status-document.ts';
import { readyOf } from './view.ts';

const salesMax = 3;

export function plainLine(status: Status): string {
  return `${showClock(status.at)}  ${(status.asleep ? ['asleep'] : partsOf(status)).join('  ')}\n`;
}

function partsOf(status: Status): string[] {
  const { perSecond, delaySeconds, sales, deadLetters, functions } = status;
  const reasons = Object.entries(perSecond.refused).sort(([, a], [, b]) => b - a);
  const refused = reasons.reduce((sum, [, rate]) => sum + rate, 0);
  const why = reasons.map(([outcome, rate]) => `${outcome} ${showRate(rate)}`).join(', ');
  const delay = delaySeconds['persist-order'];
  const letters = Object.values(deadLetters ?? {}).reduce((sum, count) => sum + count, 0);
  const going = (sales ?? []).filter(({ state }) => state !== 'ended').slice(0, salesMax);
  return [
    `accepted ${showRate(perSecond.accepted)}/s`,
    `refused ${showRate(refused)}/s${why === '' ? '' : ` (${why})`}`,
    `503 ${showRate(perSecond.failed)}/s`,
    `rows ${showRate(perSecond.rows)}/s`,
    ...(delay === null ? [] : [`99 % in ${showDelay(delay.p99)}`]),
    ...going.map(({ productId, left, stock, pending }) => {
      const waiting = pending > 0 ? `, ${showCount(pending)} pending` : '';
      return `${printable(productId)} ${showCount(left)} of ${showCount(stock)} left${waiting}`;
    }),
    ...(letters > 0 ? [`${showCount(letters)} dead letters`] : []),
    `ready ${functions.map(readyOf).join(' ')}`,
  ];
}

/** Lines about the alarms that have begun or ended since the look before. */
export function createAlarmLines(): (status: Status) => string {
  let before = new Map<string, string>();
  return ({ at, alarms }) => {
    // Figures in a text change from look to look; the cause stays.
    const byCause = new Map(alarms.map((alarm) => [causeOf(alarm.code, alarm.text), alarm.text]));
    const begun = [...byCause].filter(([cause]) => !before.has(cause));
    const ended = [...before].filter(([cause]) => !byCause.has(cause));
    before = byCause;
    return [
      ...begun.map(([, text]) => `${showClock(at)}  ALARM  ${printable(text)}\n`),
      ...ended.map(([, text]) => `${showClock(at)}  over   ${printable(text)}\n`),
    ].join('');
  };
}

function causeOf(code: string, text: string): string {
  return `${code}: ${text.replace(/[\d.,]+/g, 'N')}`;
}
