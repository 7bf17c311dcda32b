// Wall clocks: what time it is in a zone, which instant a local time is, and a CronJob's schedule
// for an instant. Where a clock shows a time twice or never, nothing is guessed.

export interface Cron {
  readonly schedule: string;
  readonly timeZone: string;
}

const localPattern = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2})?$/;
/** No zone is further from UTC. */
const offsetMaxMs = 15 * 3_600_000;
const stepMs = 15 * 60_000;

/** Whether it is a zone of the time zone database, like `Asia/Shanghai`. */
export function isTimeZone(name: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/**
 * The instants, in epoch ms, at which clocks in the zone show a local time like
 * `2026-11-24T20:00`: one, or none or two where clocks are changed; undefined where it is no time.
 */
export function instantsOf(text: string, timeZone: string): readonly number[] | undefined {
  const [, date, minute, second = ':00'] = localPattern.exec(text) ?? [];
  const asUtc = date === undefined ? Number.NaN : Date.parse(`${date}T${minute ?? ''}${second}Z`);
  if (Number.isNaN(asUtc)) return undefined;
  const found: number[] = [];
  // All offsets there are: whole quarters of an hour.
  for (let at = asUtc - offsetMaxMs; at <= asUtc + offsetMaxMs; at += stepMs) {
    if (wallClock(at, timeZone) === asUtc) found.push(at);
  }
  return found;
}

/** A schedule that fires at that minute, once a year; `at` is ISO 8601 and a whole minute. */
export function cronOf(at: string, zone: string): Cron {
  const epochMs = Date.parse(at);
  const inZone = new Date(wallClock(epochMs, zone));
  // An hour that clocks show twice is one of UTC.
  const local = inZone.toISOString().slice(0, 19);
  if (instantsOf(local, zone)?.length !== 1)
    return { ...cronOfClock(new Date(epochMs)), timeZone: 'Etc/UTC' };
  return { ...cronOfClock(inZone), timeZone: zone };
}

/** `2026-11-24 20:00 Asia/Shanghai` of an ISO time. */
export function showIn(iso: string, zone: string): string {
  const clock = new Date(wallClock(Date.parse(iso), zone)).toISOString();
  const seconds = clock.slice(16, 19) === ':00' ? '' : clock.slice(16, 19);
  return `${clock.slice(0, 10)} ${clock.slice(11, 16)}${seconds} ${zone}`;
}

function cronOfClock(clock: Date): { schedule: string } {
  const minute = clock.getUTCMinutes();
  const hour = clock.getUTCHours();
  return { schedule: `${minute} ${hour} ${clock.getUTCDate()} ${clock.getUTCMonth() + 1} *` };
}

/** What clocks in the zone show at that instant, as if it were UTC. */
function wallClock(epochMs: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
    ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
  }).formatToParts(epochMs);
  const of = (type: string) => Number(parts.find((part) => part.type === type)?.value);
  return Date.UTC(of('year'), of('month') - 1, of('day'), of('hour'), of('minute'), of('second'));
}
