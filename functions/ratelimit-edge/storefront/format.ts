// Numbers, prices and instants as people read them. Pure; the language is an argument.

/** A price from the currency's smallest unit: fen, cents, yen. */
export function formatPrice(amount: number, currency: string, language: string): string {
  try {
    const format = new Intl.NumberFormat(language, { style: 'currency', currency });
    const digits = format.resolvedOptions().maximumFractionDigits ?? 2;
    return format.format(amount / 10 ** digits);
  } catch {
    // Not a currency that this browser knows.
    return `${amount} ${currency}`;
  }
}

export function formatNumber(value: number, language: string): string {
  return new Intl.NumberFormat(language).format(value);
}

/** The time of day, with the date when it is another day; in the buyer's time zone. */
export function formatInstant(atMs: number, nowMs: number, language: string): string {
  const at = new Date(atMs);
  const isToday = at.toDateString() === new Date(nowMs).toDateString();
  return new Intl.DateTimeFormat(language, {
    ...(isToday ? {} : { month: 'short', day: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  }).format(at);
}

/** "today 20:00", "tomorrow 20:00", "Nov 25, 20:00"; seconds only where there are any. */
export function formatOpening(atMs: number, nowMs: number, language: string): string {
  const at = new Date(atMs);
  const midnight = new Date(nowMs).setHours(0, 0, 0, 0);
  const days = Math.round((new Date(atMs).setHours(0, 0, 0, 0) - midnight) / 86_400_000);
  const isNear = days === 0 || days === 1;
  const time = new Intl.DateTimeFormat(language, {
    ...(isNear ? {} : { month: 'short', day: 'numeric' }),
    hour: '2-digit',
    minute: '2-digit',
    ...(at.getSeconds() === 0 ? {} : { second: '2-digit' }),
    hourCycle: 'h23',
  }).format(at);
  if (!isNear) return time;
  const day = new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(days, 'day');
  return `${day} ${time}`;
}

/** Seconds with three digits, for the board by speed. */
export function formatSeconds(ms: number, language: string): string {
  return new Intl.NumberFormat(language, {
    minimumFractionDigits: 3,
    maximumFractionDigits: 3,
  }).format(ms / 1_000);
}

export interface Duration {
  readonly days: number;
  readonly hours: number;
  readonly minutes: number;
  readonly seconds: number;
}

/** What is left, in whole seconds rounded up: "1 s" stands until the very end. */
export function durationOf(ms: number): Duration {
  const seconds = Math.max(0, Math.ceil(ms / 1_000));
  return {
    days: Math.floor(seconds / 86_400),
    hours: Math.floor(seconds / 3_600) % 24,
    minutes: Math.floor(seconds / 60) % 60,
    seconds: seconds % 60,
  };
}

/** The duration as ISO 8601, for `<time datetime>`. */
export function isoDuration({ days, hours, minutes, seconds }: Duration): string {
  return `P${days}DT${hours}H${minutes}M${seconds}S`;
}
