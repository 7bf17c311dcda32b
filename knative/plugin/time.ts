// Points in time and durations as people type them.

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const isoPattern = /^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2})$/i;

/** Milliseconds of `500ms`, `10s`, `5m`, `12h`, `7d`; undefined where it is none of these. */
export function parseDuration(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(text) ?? [];
  const factor = unit === undefined ? undefined : unitMs[unit];
  return factor === undefined ? undefined : Number(count) * factor;
}

/**
 * ISO 8601 in UTC of `now`, of a duration from now like `+10s` or `+5m`, or of a time that names
 * its zone; undefined where it is none of these.
 */
export function parseMoment(text: string, nowMs: number): string | undefined {
  if (text === 'now') return new Date(nowMs).toISOString();
  if (text.startsWith('+')) {
    const duration = parseDuration(text.slice(1));
    return duration === undefined ? undefined : new Date(nowMs + duration).toISOString();
  }
  if (!isoPattern.test(text)) return undefined;
  const epochMs = Date.parse(text.replace(' ', 'T'));
  return Number.isNaN(epochMs) ? undefined : new Date(epochMs).toISOString();
}

/** `2026-11-22 20:00:00Z` of an ISO time; `-` where there is none. */
export function showMoment(iso: string | null): string {
  if (iso === null) return '-';
  const epochMs = Date.parse(iso);
  if (Number.isNaN(epochMs)) return iso;
  return new Date(epochMs)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z');
}
