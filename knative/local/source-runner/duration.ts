// Durations as `spec.delivery` writes them (ISO 8601), with the limits of the controller that
// reads them: tenths of a unit, and at most 3276.7 of each.

const amount = (unit: string, designator: string) => `(?:(?<${unit}>[\\d.]+)${designator})?`;
const date = amount('weeks', 'W') + amount('days', 'D');
const time = amount('hours', 'H') + amount('minutes', 'M') + amount('seconds', 'S');
const pattern = new RegExp(`^P${date}(?:T${time})?$`);
const unitMs = {
  weeks: 604_800_000,
  days: 86_400_000,
  hours: 3_600_000,
  minutes: 60_000,
  seconds: 1_000,
};
const numberPattern = /^\d+(?:\.(?<decimals>\d+))?$/;
/** The controller keeps each number as tenths in 16 bits (rickb777/date/period). */
const numberMax = 3_276.7;

export type Duration = { readonly ms: number } | { readonly problem: string };

/** Milliseconds of a duration such as `PT0.5S`, or what is wrong with it. */
export function parseDuration(text: string): Duration {
  const groups: Partial<Record<string, string>> = pattern.exec(text)?.groups ?? {};
  const parts = Object.entries(groups).filter(([, digits]) => digits !== undefined);
  if (parts.length === 0 || text.endsWith('T')) {
    return { problem: 'is no ISO 8601 duration in weeks to seconds, such as PT0.5S' };
  }
  let ms = 0;
  for (const [unit, digits = ''] of parts) {
    const number = numberPattern.exec(digits);
    if (number === null) return { problem: `has a malformed number: ${digits}` };
    if ((number.groups?.['decimals'] ?? '').length > 1) {
      return { problem: `is finer than a tenth: Knative's controller would cut ${digits} short` };
    }
    if (Number(digits) > numberMax) {
      return { problem: `has a number above ${numberMax}, which Knative's controller refuses` };
    }
    ms += Number(digits) * unitMs[unit as keyof typeof unitMs];
  }
  return { ms: Math.round(ms) };
}
