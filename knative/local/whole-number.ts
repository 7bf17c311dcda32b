// The numbers of a command line.

/** The value of an option; throws where it is no whole number, or out of bounds. */
export function wholeNumber(option: string, text: string, min: number, max: number): number {
  const value = /^(0|[1-9]\d*)$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new Error(`--${option}: a whole number from ${min} to ${max}`);
}
