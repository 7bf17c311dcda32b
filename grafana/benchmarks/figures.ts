// The figures of the page, a file for each part: what was run, where, when, and what it said. Numbers
// are never typed: a file is what a command printed.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from '#knative/local/bench/row.ts';
import type { Soaked } from '#knative/local/soak/perform.ts';
import type { Report } from '../k6/perform.ts';

export interface Machine {
  readonly cpus: number;
  readonly model: string;
  readonly memoryGb: number;
  readonly system: string;
  readonly node: string;
}

export interface Measured<T> {
  /** What anybody types to have the same measured again. */
  readonly command: string;
  /** When it ended, ISO 8601. */
  readonly at: string;
  readonly machine: Machine;
  /** Of the command: other than 0 where something was not as it should be. */
  readonly status: number;
  readonly figures: T;
}

/** What the figures of each part are. */
export interface Parts {
  readonly bench: readonly Row[];
  readonly growth: readonly Row[];
  readonly 'load-one-node': Report;
  readonly 'load-three-nodes': Report;
  readonly soak: Soaked;
}
export type Part = keyof Parts;

export const parts = ['bench', 'growth', 'load-one-node', 'load-three-nodes', 'soak'] as const;

/** What has been measured so far. */
export type Figures = { readonly [P in Part]?: Measured<Parts[P]> };

/** What was run, and whether all was in order. */
export function provenance({ command, at, status }: Measured<unknown>): string {
  const verdict = status === 0 ? '' : `; **not all was in order** (exit ${status})`;
  return `\`${command}\`, ${at.slice(0, 16).replace('T', ' ')} UTC${verdict}.`;
}

const folder = join(import.meta.dirname, 'figures');

export function readFigures(): Figures {
  const found = parts.map((part) => [part, readPart(part)] as const);
  return Object.fromEntries(found.filter(([, measured]) => measured !== undefined));
}

export function writePart(part: Part, measured: Measured<Parts[Part]>): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(part), `${JSON.stringify(measured, undefined, 1)}\n`);
}

function readPart(part: Part): unknown {
  try {
    return JSON.parse(readFileSync(fileOf(part), 'utf8'));
  } catch (error) {
    // Not measured yet.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function fileOf(part: Part): string {
  return join(folder, `${part}.json`);
}
