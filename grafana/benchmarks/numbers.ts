// Numbers as people read them.

/** `12,345`; what makes no sense is a dash. */
export function numberOf(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 3;
  return value.toLocaleString('en', { maximumFractionDigits: digits });
}

export function numbersOf(...values: readonly (number | null)[]): string {
  return values.map(numberOf).join(', ');
}
