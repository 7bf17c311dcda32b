// Collects what is found, one line for each kind of finding, with a count and a few examples.

const examplesMax = 3;

export interface Findings {
  /**
   * Notes one finding. `kind` is a sentence without a full stop; `example` an order, a batch or a
   * unit, never a person.
   */
  add(kind: string, example?: string): void;
  lines(): string[];
}

export function createFindings(): Findings {
  const kinds = new Map<string, { count: number; examples: string[] }>();
  return {
    add(kind, example) {
      const found = kinds.get(kind) ?? { count: 0, examples: [] };
      kinds.set(kind, found);
      found.count += 1;
      if (example !== undefined && found.examples.length < examplesMax) {
        found.examples.push(example);
      }
    },
    lines: () =>
      [...kinds].map(([kind, { count, examples }]) => {
        if (examples.length === 0) return kind;
        const more = count > examples.length ? ` and ${count - examples.length} more` : '';
        return `${kind}: ${examples.join(', ')}${more}`;
      }),
  };
}
