// What an instance counted before its first scrape and after its last one is handed over, not lost:
// it pushes its counters to Prometheus (remote write) when it is ready, all of them near zero then,
// when it is told to leave, and when it has done its last work. They are the series of the scrape:
// the same labels, `job` and `instance` included, so that a sum over them counts nothing twice.

import { setTimeout } from 'node:timers/promises';
import type { Registry } from 'prom-client';
import type { Log } from './log.ts';
import { encodeRemoteWrite, remoteWriteHeaders, type Sample } from './remote-write.ts';

/** What the scrape's `job` label is, in every configuration of ours. */
export const metricsJob = 'seckill';

export interface HandOverOptions {
  readonly registry: Registry;
  /** Prometheus' receiver, `http://…/api/v1/write`; user and password may be in it. */
  readonly url: string | undefined;
  /** The scrape's `instance` label: the pod's name, in a cluster. */
  readonly instance: string;
  readonly log: Log;
  /** Epoch milliseconds. */
  readonly now?: () => number;
}

export interface HandOver {
  /** Says what all counters are, which is nothing yet. Never rejects; nobody has to wait for it. */
  arrived(): Promise<void>;
  /** Says what has been counted so far; for the case that the rest is cut short. Never rejects. */
  leaving(): Promise<void>;
  /**
   * Says what has been counted in all, within `lastWordsMs`. Where that fails it is said in the
   * log, number by number. Never rejects.
   */
  left(): Promise<void>;
}

/** So long an instance's end may wait for Prometheus. */
export const lastWordsMs = 2_000;
const betweenTriesMs = 200;

export function createHandOver(options: HandOverOptions): HandOver {
  const { registry, url, log, now = Date.now } = options;
  if (url === undefined) {
    const nothing = () => Promise.resolve();
    return { arrived: nothing, leaving: nothing, left: nothing };
  }
  const target = targetOf(url);

  const push = async (withinMs: number): Promise<void> => {
    const samples = await readSamples(registry, options.instance, now());
    try {
      await deliver(target, encodeRemoteWrite(samples), withinMs);
    } catch (error) {
      throw new NotHandedOver(samples, { cause: error });
    }
  };
  /** It is said again at the end, so this is no loss yet. */
  const tryTo = (what: string) => () =>
    push(lastWordsMs).catch((error: unknown) => {
      log.info({ err: error instanceof Error ? error.cause : error }, `${what} were not taken`);
    });

  return {
    arrived: tryTo('the first counts'),
    leaving: tryTo('the counts so far'),
    async left() {
      try {
        await push(lastWordsMs);
      } catch (error) {
        const counts = error instanceof NotHandedOver ? error.counts() : undefined;
        const cause = error instanceof Error ? error.cause : error;
        log.warn({ err: cause, counts }, 'the last counts could not be handed over');
      }
    },
  };
}

class NotHandedOver extends Error {
  override readonly name = 'NotHandedOver';
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[], options: ErrorOptions) {
    super('not handed over', options);
    this.#samples = samples;
  }

  /** Our counters that are not zero, by their series. */
  counts(): Record<string, number> {
    const entries = this.#samples
      .filter(({ labels: { __name__: name = '' }, value }) => value > 0 && isOurTotal(name))
      .map(({ labels, value }) => [seriesOf(labels), value] as const);
    return Object.fromEntries(entries);
  }
}

/** They are the same on every series of an instance. */
const labelsOfAll = ['job', 'instance', 'function'];

function isOurTotal(name: string): boolean {
  return name.startsWith('seckill_') && name.endsWith('_total');
}

function seriesOf({ __name__: name = '', ...labels }: Sample['labels']): string {
  const own = Object.entries(labels)
    .filter(([label]) => !labelsOfAll.includes(label))
    .map(([label, value]) => `${label}="${value}"`);
  return own.length === 0 ? name : `${name}{${own.join(',')}}`;
}

/** Every counter and histogram; what a gauge said ends with its instance. */
export async function readSamples(
  registry: Registry,
  instance: string,
  atMs: number,
): Promise<Sample[]> {
  const metrics = (await registry.getMetricsAsJSON()) as unknown as readonly MetricJson[];
  return metrics
    .filter(({ type }) => type === 'counter' || type === 'histogram')
    .flatMap(({ name, values }) =>
      values.map(({ metricName = name, labels, value }) => ({
        labels: {
          ...stringsOf(labels),
          ...{ __name__: metricName, job: metricsJob, instance },
        },
        value,
        atMs,
      })),
    );
}

interface MetricJson {
  readonly name: string;
  /** As it is at run time; the package's types say it is an enum of numbers. */
  readonly type: string;
  readonly values: readonly {
    readonly metricName?: string;
    readonly labels: Readonly<Record<string, string | number>>;
    readonly value: number;
  }[];
}

function stringsOf(labels: Readonly<Record<string, string | number>>): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, String(value)]));
}

interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

function targetOf(given: string): Target {
  const url = new URL(given);
  const { username, password } = url;
  url.username = '';
  url.password = '';
  if (username === '') return { url: url.href, headers: remoteWriteHeaders };
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  const authorization = `Basic ${Buffer.from(user).toString('base64')}`;
  return { url: url.href, headers: { ...remoteWriteHeaders, authorization } };
}

/** Tries until it is taken, or the time is over. Rejects with why not. */
async function deliver(
  { url, headers }: Target,
  body: Buffer<ArrayBuffer>,
  withinMs: number,
): Promise<void> {
  const untilMs = performance.now() + withinMs;
  for (;;) {
    const leftMs = untilMs - performance.now();
    try {
      const signal = AbortSignal.timeout(Math.max(1, Math.ceil(leftMs)));
      const response = await fetch(url, { method: 'POST', headers, body, signal });
      const text = await response.text();
      if (response.ok) return;
      const error = new Error(`Prometheus answered ${response.status}: ${text.slice(0, 200)}`);
      // What it does not understand now it will not understand later.
      if (response.status < 500) throw new Refused(error.message);
      throw error;
    } catch (error) {
      const isOver = performance.now() + betweenTriesMs >= untilMs;
      if (isOver || error instanceof Refused) throw error;
      await setTimeout(betweenTriesMs);
    }
  }
}

class Refused extends Error {
  override readonly name = 'Refused';
}
