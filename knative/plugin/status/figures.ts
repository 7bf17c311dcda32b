// Figures as people read them at a glance.

/** `1,012`; of small ones one digit more: `0.4`. */
export function showRate(perSecond: number): string {
  return perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : showCount(perSecond);
}

export function showCount(count: number): string {
  return Math.round(count).toLocaleString('en');
}

/** `23 ms`, `1.4 s`. */
export function showDelay(seconds: number): string {
  return seconds < 0.9995 ? `${Math.round(seconds * 1_000)} ms` : `${seconds.toFixed(1)} s`;
}

/** `40 s`, `2 m 10 s`, `3 h 5 m`, `2 d 3 h`. */
export function showDuration(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first < 0) return '0 s';
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ');
}

/** `12:00:07Z`, in UTC as every time here. */
export function showClock(iso: string): string {
  return `${iso.slice(11, 19)}Z`;
}

export function showBytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}

const bars = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/** A bar for each value, the highest of them full; nothing where there is none above zero. */
export function sparkline(values: readonly number[]): string {
  const max = Math.max(0, ...values);
  if (max === 0) return '';
  return values.map((value) => bars[Math.ceil((value / max) * (bars.length - 1))] ?? '').join('');
}
