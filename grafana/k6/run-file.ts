// What `npm run load` and the k6 scripts tell each other: the file of a run, which the scripts
// read, and the line that they log of each answer. k6 reads this file too, so it imports nothing.

/** Absolute paths; the scripts have them by `-e RUN=…`. */
export interface RunFile {
  /** The edge, without a slash at the end. */
  readonly url: string;
  readonly products: readonly string[];
  /** A line for each buyer: user id, space, token. */
  readonly tokensFile: string;
  /** Where the summary goes. */
  readonly summaryFile: string;
  /** ISO 8601; of a sale that opens while the load is there. */
  readonly opensAt?: string;
  readonly load: PlannedLoad;
}

/** What k6 offers; each script reads what concerns it. */
export interface PlannedLoad {
  readonly virtualUsers: number;
  /** Purchases begun in a second, whether those before were answered or not; 0: a closed loop. */
  readonly perSecond: number;
  /** Until that rate is reached. */
  readonly rampSeconds: number;
  /** For how long it is kept; of a closed loop, how long it may take. */
  readonly seconds: number;
  /** Of a single user, the first buyer, who presses again and again; 0 where there is none. */
  readonly hotPerSecond: number;
  /** By each virtual user, one after the other. */
  readonly purchasesEach: number;
}

/** One answer, or that there was none. JSON, one a line. */
export interface AnswerLine {
  /** Epoch ms, when it was there. */
  readonly atMs: number;
  readonly tookMs: number;
  /** 0: no answer came. */
  readonly status: number;
  /** The contract's; `gave_up` where the client did not wait for it, '' where none came. */
  readonly outcome: string;
  readonly productId: string;
  readonly userId: string;
  readonly key: string;
  /** Of an acceptance; else ''. */
  readonly orderId: string;
}

/** A part of what k6 hands to `handleSummary`, and so of the summary file. */
export interface Summary {
  readonly metrics: Readonly<Record<string, SummaryMetric>>;
}

export interface SummaryMetric {
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}
