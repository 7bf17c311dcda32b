// Reads what an instance says at `/metrics`: Prometheus' text format 0.0.4, as prom-client writes
// it. Comments are skipped; what cannot be read makes the whole text unreadable, since half of an
// answer would pass for small counters.

export interface Series {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const linePattern = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+(\S+)(?:[ \t]+-?\d+)?[ \t]*$/;
const labelPattern = /\s*([a-zA-Z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"\s*(?:,|$)/y;
const escapes: Readonly<Record<string, string>> = { n: '\n', '"': '"', '\\': '\\' };

/** Every series in the text. Throws an Error that names the line that is none. */
export function parseExposition(text: string): readonly Series[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, name, labels = '', value = ''] = linePattern.exec(line) ?? [];
      const read = parseLabels(labels);
      const number = parseValue(value);
      if (name === undefined || read === undefined || number === undefined) {
        throw new Error(`no series of Prometheus: ${line.slice(0, 80)}`);
      }
      return { name, labels: read, value: number };
    });
}

function parseLabels(text: string): Record<string, string> | undefined {
  const labels: Record<string, string> = {};
  const pattern = new RegExp(labelPattern);
  while (pattern.lastIndex < text.length) {
    const [, name, value] = pattern.exec(text) ?? [];
    if (name === undefined || value === undefined) return undefined;
    labels[name] = value.replace(/\\(.)/g, (whole, letter: string) => escapes[letter] ?? whole);
  }
  return labels;
}

function parseValue(text: string): number | undefined {
  if (/^\+?Inf$/i.test(text)) return Number.POSITIVE_INFINITY;
  if (/^-Inf$/i.test(text)) return Number.NEGATIVE_INFINITY;
  if (/^NaN$/i.test(text)) return Number.NaN;
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}
