// Quantiles from a histogram in the text format of Prometheus, as Prometheus itself estimates them.

/** How many were at most so much; the last bucket, `Infinity`, has them all. */
export type Buckets = readonly { readonly upTo: number; readonly count: number }[];

/** Reads a histogram without labels from metrics. */
export async function readBuckets(metricsUrl: string, histogram: string): Promise<Buckets> {
  const response = await fetch(metricsUrl, { signal: AbortSignal.timeout(10_000) });
  return parseBuckets(await response.text(), histogram);
}

export function parseBuckets(metrics: string, histogram: string): Buckets {
  const line = new RegExp(`^${histogram}_bucket\\{[^}]*le="([^"]+)"[^}]*\\} ([\\d.e+]+)$`, 'gm');
  return [...metrics.matchAll(line)].map(([, upTo = '', count]) => ({
    upTo: upTo === '+Inf' ? Number.POSITIVE_INFINITY : Number(upTo),
    count: Number(count),
  }));
}

/** What came between two readings. */
export function bucketsBetween(before: Buckets, after: Buckets): Buckets {
  return after.map(({ upTo, count }, at) => ({ upTo, count: count - (before[at]?.count ?? 0) }));
}

/** Linear within the bucket; beyond the last bound it is that bound. NaN of nothing. */
export function quantileOf(buckets: Buckets, q: number): number {
  const rank = q * (buckets.at(-1)?.count ?? 0);
  if (rank === 0) return Number.NaN;
  let below = { upTo: 0, count: 0 };
  for (const bucket of buckets) {
    if (bucket.count >= rank && bucket.count > below.count) {
      if (!Number.isFinite(bucket.upTo)) break;
      const share = (rank - below.count) / (bucket.count - below.count);
      return below.upTo + share * (bucket.upTo - below.upTo);
    }
    below = bucket;
  }
  return below.upTo;
}
